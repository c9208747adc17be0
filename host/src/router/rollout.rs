//! Cluster-wide operations on a type: progress of all nodes, and distribution of a rehearsal.

use std::time::Duration;

use futures_util::future::join_all;
use highlander_core::error::Error;
use highlander_core::id::{ObjectId, TypeName};
use highlander_core::registry::members::PROTOCOL;
use highlander_core::rollout::{ProgressQuery, Report};

use super::Router;
use super::context::Context;
use super::membership::Membership;
use crate::wire::rehearsals::{Rehearsed, Staged};

/// Time limit for a node's progress report.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Time limit for a node's share of a rehearsal.
const BATCH_TIMEOUT: Duration = Duration::from_mins(2);

/// Reports of all nodes of the cluster about a type.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Nodes that were queried, which are all members.
    pub membership: Membership,
    /// One report per node.
    pub reports: Vec<Report>,
}

impl Router {
    /// Returns the progress of all nodes with a type, for information only. Returns only this node's progress if
    /// the request comes from another node, or if the members are unknown. See
    /// [`Node::progress`](crate::node::Node::progress).
    pub async fn progress(
        &self,
        type_name: &TypeName,
        query: ProgressQuery,
        context: Context,
    ) -> Vec<Report> {
        if context.hops == 0
            && let Some(survey) = self.survey(type_name, query).await
        {
            return survey.reports;
        }
        let _ = self.node.catalog().ensure_loaded(type_name.as_str()).await;
        let progress = Some(self.node.progress(type_name, query).await);
        vec![Report { node: self.node.id(), progress }]
    }

    /// Queries all nodes for their progress with a type. `None` without a session whose lease holds.
    pub async fn survey(&self, type_name: &TypeName, query: ProgressQuery) -> Option<Survey> {
        // A node that has never used the type loads it here, so that it does not delay a roll-out.
        let _ = self.node.catalog().ensure_loaded(type_name.as_str()).await;
        let membership = self.membership()?;
        let me = membership.me();
        let reports = membership.members().iter().map(|member| async move {
            let node = member.node.clone();
            if node == *me {
                let progress = self.node.progress(type_name, query).await;
                return Report { node, progress: Some(progress) };
            }
            if member.protocol != PROTOCOL {
                return Report { node, progress: None };
            }
            let told = self.peers.progress(member, type_name, query, TIMEOUT).await;
            Report { node, progress: told.ok().and_then(Result::ok) }
        });
        let reports = join_all(reports).await;
        Some(Survey { membership, reports })
    }

    /// Rehearses a component with some objects on one node. `turn` selects nodes in rotation; if the selected node
    /// fails, this node does the work.
    ///
    /// # Errors
    /// The errors of [`Node::rehearse`](crate::node::Node::rehearse).
    pub async fn rehearse(
        &self,
        turn: usize,
        type_name: &TypeName,
        staged: &Staged,
        ids: Vec<ObjectId>,
    ) -> Result<Rehearsed, Error> {
        let known = self.cluster_view();
        let usable: Vec<_> =
            known.members.iter().filter(|member| member.protocol == PROTOCOL).collect();
        let chosen = turn.checked_rem(usable.len()).and_then(|index| usable.get(index));
        if let Some(member) = chosen.filter(|member| member.node != known.me) {
            let told = self.peers.rehearse(member, type_name, staged, &ids, BATCH_TIMEOUT).await;
            match told {
                Ok(Ok(rehearsed)) => return Ok(rehearsed),
                Ok(Err(error)) => tracing::debug!(node = %member.node, "rehearsal failed: {error}"),
                Err(failure) => tracing::debug!(node = %member.node, "rehearsal failed: {failure}"),
            }
        }
        self.node.rehearse(staged, ids).await
    }
}
