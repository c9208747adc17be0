//! Nodes of the cluster, and the entry page of one.

use highlander_core::id::NodeId;
use serde::{Deserialize, Serialize};

/// All live nodes.
// A reader that prints them unchanged parses them later, and takes another `N`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "node", schemars(rename = "Nodes"))]
pub struct Nodes<N = Node> {
    /// The nodes.
    pub nodes: Vec<N>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct Node {
    /// Name of the node, new for each session.
    pub id: String,
    /// Address at which other machines reach it.
    pub address: String,
    /// Status in the registry, or `no-session` if this node, which answers, has no session.
    #[cfg_attr(feature = "node", schemars(extend("enum" = ["ready", "draining", "unhealthy", "no-session"])))]
    pub status: String,
    /// Number of its active objects, if the node reported it.
    pub active_objects: Option<usize>,
}

/// Result of draining a node.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct Drained {
    /// Name of the node.
    pub node: NodeId,
    /// Number of objects that it still owns.
    pub active_objects: usize,
}

/// Entry page of a node.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct Root {
    /// The product in one sentence.
    pub about: String,
    /// Paths of the main routes.
    pub links: Links,
    /// Name of the product.
    pub name: String,
    /// Name of the node.
    pub node: NodeId,
    /// Version of the node.
    pub version: String,
}

/// Paths of the main routes.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[allow(missing_docs, reason = "each field is named as what its path leads to")]
pub struct Links {
    pub health: String,
    pub metrics: String,
    pub nodes: String,
    pub object: String,
    pub objects: String,
    pub readiness: String,
    pub types: String,
}
