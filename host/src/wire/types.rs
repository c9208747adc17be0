//! Types: their list, one type with its revisions, and the removal of one.

use std::collections::BTreeMap;

use highlander_core::caller::call_policy::TypeSet;
use highlander_core::engine::Description;
use highlander_core::id::{Digest, TypeName};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

use super::rollouts::Rollout;

/// All types that the caller may see.
// A reader that prints them unchanged parses them later, and takes another `T`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "node", schemars(rename = "Types"))]
pub struct Types<T = TypeSummary> {
    /// Types whose record cannot be used.
    pub damaged: Vec<DamagedType>,
    /// Types that were removed.
    pub removed: Vec<RemovedType>,
    /// Types that can be called.
    pub types: Vec<T>,
}

/// Type in a list.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct TypeSummary {
    /// Number of the current revision.
    pub current: u32,
    /// Digest of its component.
    pub digest: Digest,
    /// Description of the type for people.
    pub documentation: String,
    /// Names of its handlers.
    pub handlers: Vec<String>,
    /// Name of the type.
    pub name: TypeName,
    /// Schema version of its state.
    pub schema_version: u32,
}

/// Type that was removed.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct RemovedType {
    /// Time, in milliseconds since 1970.
    pub at_ms: u64,
    /// Principal that requested it.
    pub by: String,
    /// Name of the type.
    pub name: TypeName,
    /// Number of objects left, as far as they were counted.
    pub objects: u64,
}

/// Type whose record cannot be used.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct DamagedType {
    /// Name of the type.
    pub name: TypeName,
    /// Reason why the record cannot be used.
    pub reason: String,
}

/// One type with its revisions.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct Type {
    /// Types that the configuration of the node permits the objects to call; null if it sets no limit.
    #[cfg_attr(feature = "node", schemars(with = "Option<Vec<String>>"))]
    pub configured_may_call: Option<TypeSet>,
    /// Number of the current revision.
    pub current: u32,
    /// Description by the current revision.
    #[serde(serialize_with = "sorted")]
    pub description: Option<Description>,
    /// Random number set by the last change of the record.
    pub generation: u64,
    /// Name of the type.
    pub name: TypeName,
    /// Keys of the objects that stay on their old revision, with the reason.
    pub pinned: BTreeMap<String, String>,
    /// Revisions, oldest first.
    pub revisions: Vec<Revision>,
    /// Roll-out in progress, if any.
    #[serde(serialize_with = "sorted")]
    pub rollout: Option<Rollout>,
}

/// One revision of a type.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct Revision {
    /// Size of the component.
    pub bytes: u64,
    /// Time of deployment, in milliseconds since 1970.
    pub deployed_at_ms: u64,
    /// Principal that deployed it.
    pub deployed_by: String,
    /// Digest of the component.
    pub digest: Digest,
    /// Whether its component has been removed because no object needs it.
    pub is_collected: bool,
    /// Number of live objects that run it.
    pub live_objects: usize,
    /// Types that its objects may call, with `*` for every type: those that its deployer was permitted to call.
    #[cfg_attr(feature = "node", schemars(with = "Vec<String>"))]
    pub may_call: TypeSet,
    /// Revision number, from 1.
    pub number: u32,
    /// Reason of the roll-back, if it was rolled back.
    pub rolled_back: Option<String>,
    /// Schema version of its state.
    pub schema_version: u32,
}

/// Result of removing a type.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct Removed {
    /// Whether `objects` counts all of them.
    pub is_counted_whole: bool,
    /// Number of objects left in the store.
    pub objects: u64,
    /// Name of the type.
    #[serde(rename = "type")]
    pub type_name: TypeName,
}

/// Serializes a part with its members sorted by name. The record of a type has them in another order.
fn sorted<T: Serialize, S: Serializer>(part: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::to_value(part).map_err(S::Error::custom)?.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use highlander_core::catalog::rollout::{RolloutScope, Stage};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_members_of_a_type_are_sorted_at_every_level() {
        let rollout = Rollout {
            revision: 2,
            previous: 1,
            stage: Stage::Rolling,
            scope: RolloutScope::All,
            failures_per_mille_max: Some(10),
            since_ms: 3,
            by: "ci".to_owned(),
        };
        let revision = Revision {
            bytes: 4,
            deployed_at_ms: 5,
            deployed_by: "ci".to_owned(),
            digest: Digest::of(b"a"),
            is_collected: false,
            live_objects: 6,
            may_call: TypeSet::Every,
            number: 2,
            rolled_back: None,
            schema_version: 1,
        };
        let handler = json!({
            "name": "add", "kind": "update", "documentation": "", "argument": true, "reply": true,
        });
        let description = json!({
            "name": "todo", "documentation": "", "schema_version": 1, "state_content_type": "application/json",
            "state": true, "handlers": [handler],
        });
        let document = Type {
            configured_may_call: Some(TypeSet::only([TypeName::new("list").unwrap()])),
            current: 1,
            description: serde_json::from_value(description).unwrap(),
            generation: 7,
            name: TypeName::new("todo").unwrap(),
            pinned: BTreeMap::from([("a".to_owned(), "trapped".to_owned())]),
            revisions: vec![revision],
            rollout: Some(rollout),
        };
        let written = serde_json::to_string(&document).unwrap();
        let sorted: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(written, sorted.to_string());
        let read: Type = serde_json::from_str(&written).unwrap();
        assert_eq!((read.description, read.rollout), (document.description, document.rollout));
    }
}
