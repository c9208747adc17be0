//! What the nodes of a cluster do about a type together: how far each is, and who rehearses
//! which objects.

use std::time::Duration;

use futures_util::future::join_all;

use super::Router;
use super::context::Context;
use super::membership::Membership;
use crate::catalog::staged::Staged;
use crate::error::Error;
use crate::id::{NodeId, ObjectId, TypeName};
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

/// What all nodes of the cluster say of a type.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Who was asked, and may be relied on to be all.
    pub membership: Membership,
    /// What each of them said.
    pub reports: Vec<Report>,
}

impl Router {
    /// Asks all nodes how far they are with a type; only this one, where it is another node that asks, or where this
    /// node does not know which nodes there are. It is for information: nothing is decided by it. See
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
        if context.hops == 0
            && let Some(survey) = self.survey(type_name, counts_live).await
        {
            return survey.reports;
        }
        let _ = self.node.catalog().know(type_name.as_str()).await;
        let progress = Some(self.node.progress(type_name, counts_live));
        vec![Report { node: self.node.id(), progress }]
    }

    /// Asks all nodes how far they are with a type. `None` without a session whose lease holds.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn survey(&self, type_name: &TypeName, counts_live: bool) -> Option<Survey> {
        // A node that has never used the type learns of it here, so that it does not hold a roll-out up.
        let _ = self.node.catalog().know(type_name.as_str()).await;
        let membership = self.membership()?;
        let me = membership.me();
        let reports = membership.members().iter().map(|member| async move {
            let node = member.node.clone();
            if node == *me {
                return Report { node, progress: Some(self.node.progress(type_name, counts_live)) };
            }
            if member.protocol != PROTOCOL {
                return Report { node, progress: None };
            }
            let told = self.peers.progress(member, type_name, counts_live, PATIENCE).await;
            Report { node, progress: told.ok().and_then(Result::ok) }
        });
        let reports = join_all(reports).await;
        Some(Survey { membership, reports })
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
}
