//! The documents that nodes read from each other as well as clients do: one form for writing and for reading.
//! They are data alone: who fills them in, and who reads them, is elsewhere.

use serde::{Deserialize, Serialize};

use crate::catalog::rollout;
use crate::catalog::staged::Staged;
use crate::id::NodeId;
use crate::node::revisions::Progress;
use crate::node::whereabouts::{self, Tier};

/// Where an object is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Whereabouts {
    #[serde(default)]
    pub(super) object: String,
    pub(super) node: Option<NodeId>,
    pub(super) tier: TierWord,
    pub(super) version: u64,
    pub(super) epoch: u64,
    pub(super) revision: u32,
    pub(super) exists: bool,
    pub(super) mailbox_len: usize,
    /// Nodes that do not know of it do not say it.
    #[serde(default)]
    pub(super) waits_for: Option<String>,
}

/// A tier in a word.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TierWord {
    Cold,
    Warm,
    Resident,
}

/// What came of deactivating an object.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Deactivated {
    #[serde(default)]
    pub(super) object: String,
    pub(super) was_active: bool,
}

/// What came of draining a node.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Drained {
    pub(super) node: NodeId,
    pub(super) active_objects: usize,
}

/// A page of keys.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct List {
    #[serde(rename = "type")]
    pub(super) type_name: String,
    pub(super) keys: Vec<String>,
    /// What to give as `after` for the next page.
    pub(super) next: Option<String>,
    /// The nodes whose objects may be missing; nothing where no node was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unanswered: Option<Vec<NodeId>>,
}

/// All live nodes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Nodes {
    pub(super) nodes: Vec<Listed>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) address: String,
    pub(super) state: String,
    /// Nothing where the node did not say.
    pub(super) active_objects: Option<usize>,
}

/// How far the nodes are with a type.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Rollout {
    #[serde(rename = "type")]
    pub(super) type_name: String,
    /// Number of the current revision.
    pub(super) current: u32,
    /// The revision that is taking the place of another, if one is.
    pub(super) rollout: Option<rollout::Rollout>,
    pub(super) nodes: Vec<NodeProgress>,
}

/// How far one node is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NodeProgress {
    pub(super) id: String,
    /// Nothing where the node did not say.
    pub(super) progress: Option<Progress>,
}

/// The objects of a rehearsal that one node is given.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RehearsalShare {
    pub(super) staged: Staged,
    pub(super) keys: Vec<String>,
}

impl Whereabouts {
    /// What is known of the object that is shown so.
    pub(super) fn new(object: &str, found: whereabouts::Whereabouts) -> Self {
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

impl From<Whereabouts> for whereabouts::Whereabouts {
    fn from(document: Whereabouts) -> Self {
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
