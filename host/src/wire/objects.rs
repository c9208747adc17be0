//! Location, deactivation and lists of objects.

use highlander_core::id::{NodeId, ObjectId};
use serde::{Deserialize, Serialize};

/// Location and status of an object, available without activating it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct ObjectLocation {
    /// Id of the object.
    pub object: ObjectId,
    /// Node that owns the object, if any.
    pub node: Option<NodeId>,
    /// Storage tier.
    pub tier: Tier,
    /// Committed version; 0 if the object was never changed.
    pub version: u64,
    /// Epoch of that version.
    pub epoch: u64,
    /// Revision that runs, or that wrote the record; 0 if there is neither.
    pub revision: u32,
    /// Whether the object exists: it was changed and is not deleted.
    pub exists: bool,
    /// Number of waiting calls.
    pub mailbox_len: usize,
    /// Object that the running call has called and waits for, if any.
    pub waits_for: Option<ObjectId>,
}

/// Storage tier of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// The object is only in the store.
    Cold,
    /// The object is claimed, with its state in memory.
    Warm,
    /// The object is claimed, with an instance.
    Resident,
}

impl Tier {
    /// Returns the tier as a string.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
            Self::Resident => "resident",
        }
    }
}

/// Result of deactivating an object.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct Deactivated {
    /// Id of the object.
    pub object: String,
    /// Whether it was active.
    pub was_active: bool,
}

/// Page of keys.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "node", schemars(rename = "ObjectList"))]
pub struct List {
    /// Type of the objects.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The keys.
    pub keys: Vec<String>,
    /// Value of `after` for the next page, if this is not the last one.
    pub next: Option<String>,
    /// Nodes whose objects may be missing, if nodes were queried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<Vec<NodeId>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_tier_is_its_word_in_documents() {
        for tier in [Tier::Cold, Tier::Warm, Tier::Resident] {
            assert_eq!(serde_json::to_value(tier).unwrap(), tier.as_str());
        }
    }
}
