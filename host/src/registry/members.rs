//! The live nodes of a cluster, as each of them describes itself in the registry.
//!
//! A description comes from outside this process: it is read with care, and a node that cannot be understood is left
//! out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::NodeId;

/// How nodes of this build speak with each other. Nodes of another number are not forwarded to.
pub const PROTOCOL: u32 = 4;

/// What others may expect of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It takes objects.
    Ready,
    /// It hands its objects over, and takes none.
    Draining,
    /// Its store does not answer: it takes no objects for the time being.
    Unwell,
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Unwell => "unwell",
        }
    }
}

/// One live node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name, new for each session.
    pub node: NodeId,
    /// Where it answers: host and port.
    pub address: Arc<str>,
    /// How it speaks with other nodes: see [`PROTOCOL`].
    pub protocol: u32,
    /// What may be expected of it.
    pub standing: Standing,
}

/// All live nodes, in the order of their names. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members(Arc<[Member]>);

impl Members {
    /// These nodes.
    #[must_use]
    pub fn new(mut members: Vec<Member>) -> Self {
        members.sort_by(|a, b| a.node.cmp(&b.node));
        Self(members.into())
    }

    /// Every node.
    pub fn iter(&self) -> std::slice::Iter<'_, Member> {
        self.0.iter()
    }

    /// The node of this name.
    #[must_use]
    pub fn find(&self, node: &NodeId) -> Option<&Member> {
        let index = self.0.binary_search_by(|member| member.node.cmp(node)).ok()?;
        self.0.get(index)
    }
}
