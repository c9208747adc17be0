//! JSON documents that clients and other nodes read. One definition serves both serialization and parsing.

use highlander_core::catalog::rollout;
use highlander_core::id::NodeId;
use highlander_core::rollout::Progress;
use serde::{Deserialize, Serialize};

use crate::catalog::staged::Staged;
use crate::node::locate::{self, Tier};

/// Location of an object.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ObjectLocation {
    #[serde(default)]
    pub(super) object: String,
    pub(super) node: Option<NodeId>,
    pub(super) tier: TierWord,
    pub(super) version: u64,
    pub(super) epoch: u64,
    pub(super) revision: u32,
    pub(super) exists: bool,
    pub(super) mailbox_len: usize,
    /// Object for which this object waits; missing in responses of older nodes.
    #[serde(default)]
    pub(super) waits_for: Option<String>,
}

/// Wire name of a tier.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TierWord {
    Cold,
    Warm,
    Resident,
}

/// Result of deactivating an object.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Deactivated {
    #[serde(default)]
    pub(super) object: String,
    pub(super) was_active: bool,
}

/// Result of draining a node.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Drained {
    pub(super) node: NodeId,
    pub(super) active_objects: usize,
}

/// Page of keys.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct List {
    #[serde(rename = "type")]
    pub(super) type_name: String,
    pub(super) keys: Vec<String>,
    /// Value of `after` for the next page.
    pub(super) next: Option<String>,
    /// Nodes whose objects may be missing; `None` if no nodes were queried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unanswered: Option<Vec<NodeId>>,
}

/// All live nodes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Nodes {
    pub(super) nodes: Vec<Listed>,
}

/// Entry of a node in [`Nodes`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) address: String,
    pub(super) status: String,
    /// `None` if the node did not report it.
    pub(super) active_objects: Option<usize>,
}

/// Progress of the nodes with a type's roll-out.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Rollout {
    #[serde(rename = "type")]
    pub(super) type_name: String,
    /// Number of the current revision.
    pub(super) current: u32,
    /// Roll-out in progress, if any.
    pub(super) rollout: Option<rollout::Rollout>,
    pub(super) nodes: Vec<NodeProgress>,
}

/// Progress of one node.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NodeProgress {
    pub(super) id: String,
    /// `None` if the node did not report it.
    pub(super) progress: Option<Progress>,
}

/// Objects of a rehearsal that are assigned to one node.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RehearsalShare {
    pub(super) staged: Staged,
    pub(super) keys: Vec<String>,
}

impl ObjectLocation {
    /// Creates the document for an object under the given id.
    pub(super) fn new(object: &str, found: locate::ObjectLocation) -> Self {
        Self {
            object: object.to_owned(),
            node: found.owner,
            tier: match found.tier {
                Tier::Cold => TierWord::Cold,
                Tier::Warm => TierWord::Warm,
                Tier::Resident => TierWord::Resident,
            },
            version: found.version,
            epoch: found.epoch,
            revision: found.revision,
            exists: found.exists,
            mailbox_len: found.mailbox_len,
            waits_for: found.waits_for.map(|id| id.to_string()),
        }
    }
}

impl From<ObjectLocation> for locate::ObjectLocation {
    fn from(document: ObjectLocation) -> Self {
        Self {
            owner: document.node,
            tier: match document.tier {
                TierWord::Cold => Tier::Cold,
                TierWord::Warm => Tier::Warm,
                TierWord::Resident => Tier::Resident,
            },
            version: document.version,
            epoch: document.epoch,
            revision: document.revision,
            exists: document.exists,
            mailbox_len: document.mailbox_len,
            waits_for: document.waits_for.and_then(|id| id.parse().ok()),
        }
    }
}
