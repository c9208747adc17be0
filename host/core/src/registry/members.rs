//! Live nodes of a cluster, as each node describes itself in the registry.
//!
//! Descriptions come from outside this process, so they are validated. A node whose description cannot be parsed
//! is omitted.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::NodeId;

/// Version of the protocol between nodes. A node forwards calls only to nodes with the same version.
pub const PROTOCOL: u32 = 6;

/// Status of a node, as other nodes see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeStatus {
    /// The node accepts objects.
    Ready,
    /// The node hands its objects over and accepts none.
    Draining,
    /// The node's store does not answer: it accepts no objects until the store recovers.
    Unhealthy,
}

impl NodeStatus {
    /// Returns the status as a string.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One live node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Name of the node, new for each session.
    pub node: NodeId,
    /// Host and port at which the node listens.
    pub address: Arc<str>,
    /// Version of the protocol between nodes: see [`PROTOCOL`].
    pub protocol: u32,
    /// Current status.
    pub status: NodeStatus,
}

/// All live nodes, sorted by name. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members(Arc<[Member]>);

impl Members {
    /// Creates a list of these nodes, sorted by name.
    #[must_use]
    pub fn new(mut members: Vec<Member>) -> Self {
        members.sort_by(|a, b| a.node.cmp(&b.node));
        Self(members.into())
    }

    /// Iterates over all nodes.
    pub fn iter(&self) -> std::slice::Iter<'_, Member> {
        self.0.iter()
    }

    /// Finds the node with this name.
    #[must_use]
    pub fn find(&self, node: &NodeId) -> Option<&Member> {
        let index = self.0.binary_search_by(|member| member.node.cmp(node)).ok()?;
        self.0.get(index)
    }
}
