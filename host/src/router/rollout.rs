//! What the nodes of a cluster do about a type together: how far each is, which of them moves its roll-out on, and who
//! rehearses which objects.

use std::time::Duration;

use futures_util::future::join_all;

use super::Router;
use super::context::Context;
use crate::catalog::staged::Staged;
use crate::error::Error;
use crate::id::{NodeId, ObjectId, TypeName};
use crate::node::placement;
use crate::node::rehearsal::Rehearsed;
use crate::node::revisions::Progress;
use crate::registry::members::PROTOCOL;

/// How long a node may take to say how far it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a node may take for its share of a rehearsal.
const BATCH_PATIENCE: Duration = Duration::from_mins(2);

/// What one node says of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its name.
    pub node: NodeId,
    /// How far it is; nothing where it did not say.
    pub progress: Option<Progress>,
}

impl Router {
    /// Asks all nodes how far they are with a type; only this one, where it is another node that asks. See
    /// [`Node::progress`](crate::node::Node::progress).
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn progress(
        &self,
        type_name: &TypeName,
        counts_live: bool,
        context: Context,
    ) -> Vec<Report> {
        // A node that has never used the type learns of it here, so that it does not hold a roll-out up.
        let _ = self.node.catalog().know(type_name.as_str()).await;
        let known = self.look();
        let own = || {
            let progress = self.node.progress(type_name, counts_live);
            Report { node: known.me.clone(), progress: Some(progress) }
        };
        if context.hops > 0 || known.members.find(&known.me).is_none() {
            return vec![own()];
        }
        let reports = known.members.iter().map(|member| async {
            if member.node == known.me {
                return own();
            }
            let node = member.node.clone();
            if member.protocol != PROTOCOL {
                return Report { node, progress: None };
            }
            let told = self.peers.progress(member, type_name, counts_live, PATIENCE).await;
            Report { node, progress: told.ok().and_then(Result::ok) }
        });
        join_all(reports).await
    }

    /// Has one node after another, by `turn`, rehearse a component with some objects; this one, where that cannot.
    ///
    /// # Errors
    /// As [`Node::rehearse`](crate::node::Node::rehearse).
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn rehearse(
        &self,
        turn: usize,
        type_name: &TypeName,
        staged: &Staged,
        ids: Vec<ObjectId>,
    ) -> Result<Rehearsed, Error> {
        let known = self.look();
        let usable: Vec<_> =
            known.members.iter().filter(|member| member.protocol == PROTOCOL).collect();
        let chosen = turn.checked_rem(usable.len()).and_then(|index| usable.get(index));
        if let Some(member) = chosen.filter(|member| member.node != known.me) {
            let told = self.peers.rehearse(member, type_name, staged, &ids, BATCH_PATIENCE).await;
            match told {
                Ok(Ok(rehearsed)) => return Ok(rehearsed),
                Ok(Err(error)) => tracing::debug!(node = %member.node, "did not rehearse: {error}"),
                Err(failure) => tracing::debug!(node = %member.node, "did not rehearse: {failure}"),
            }
        }
        self.node.rehearse(staged, ids).await
    }

    /// Whether this node is the one to move the roll-outs of a type on: placed by its name, as an object is by its id.
    #[must_use]
    pub fn is_steward_of(&self, type_name: &TypeName) -> bool {
        self.is_preferred_for(type_name.as_str(), "roll-out")
    }

    /// Whether this node looks through this part of the index of those to be woken.
    #[must_use]
    pub fn is_keeper_of(&self, shard: u8) -> bool {
        self.is_preferred_for("wake", &shard.to_string())
    }

    /// The nodes of the cluster, as far as this one knows.
    #[must_use]
    pub fn present_nodes(&self) -> Vec<NodeId> {
        self.look().members.iter().map(|member| member.node.clone()).collect()
    }

    /// Whether this node is the one that an object of this name would be on.
    fn is_preferred_for(&self, type_name: &str, key: &str) -> bool {
        let known = self.look();
        let Ok(stand_in) = ObjectId::new(type_name, key) else { return false };
        let key = known.granularity.key_of(&stand_in);
        match placement::preferred(key, &known.members) {
            Some(member) => member.node == known.me,
            // Alone between two sessions, or all drain: better two than none.
            None => true,
        }
    }
}
