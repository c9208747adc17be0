//! Record of a type in the store: its revisions, and which of them is current. `docs/formats.md` documents every
//! field. Components are separate blobs, named by their digest.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::caller::call_policy::TypeSet;
use crate::catalog::rollout::Rollout;
use crate::engine::Description;
use crate::id::{Digest, TypeName};

/// Prefix of the blob names of all type records.
pub const PREFIX: &str = "types/";
const FORMAT: u32 = 5;

/// Published component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevisionEntry {
    /// Revision number, from 1.
    pub number: u32,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// Time of deployment, in milliseconds since 1970.
    pub deployed_at_ms: u64,
    /// Principal that deployed it.
    #[serde(default)]
    pub deployed_by: String,
    /// Types that its objects may call: those that the deployer was permitted to call.
    pub may_call: TypeSet,
    /// Idempotency keys of its deployments, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Size of the component in bytes.
    #[serde(default)]
    pub size: u64,
    /// Reason of the roll-back, if the revision was rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<String>,
    /// Number of the component's blob: it increases each time the component is deployed again after its removal.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub copy: u32,
    /// Time since which nothing needs the revision, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at_ms: Option<u64>,
    /// Whether its component has been removed because no object needs it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_collected: bool,
    /// Description that the component exports.
    pub description: Description,
}

impl RevisionEntry {
    /// Whether the revision has this component and this limit of its calls. Deploying them again needs no other one.
    #[must_use]
    pub(super) fn is_of(&self, digest: Digest, may_call: &TypeSet) -> bool {
        self.digest == digest && self.may_call == *may_call
    }
}

/// Removal of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// Time, in milliseconds since 1970.
    pub at_ms: u64,
    /// Principal that requested it.
    pub by: String,
    /// Number of objects left, as far as they were counted.
    pub objects: u64,
}

/// A roll-back with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyedRollback {
    /// Idempotency key.
    pub(super) key: String,
    /// Requested revision, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<u32>,
    /// Revision that was made current.
    pub(super) revision: u32,
}

/// Record of a type with all its revisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeRecord {
    /// Format number.
    format: u32,
    /// Name of the type.
    pub name: TypeName,
    /// Number of the current revision; 0 before the first.
    pub current: u32,
    /// Random number set by the last change. The writer of that change recognizes it by this number.
    #[serde(default)]
    pub generation: u64,
    /// Roll-out in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// Removal of the type, if it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<Removal>,
    /// First revision of the present type. Older revisions belong to a removed type of the same name.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub first: u32,
    /// Roll-backs with an idempotency key, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rollbacks: Vec<KeyedRollback>,
    /// Revisions, oldest first.
    pub revisions: Vec<RevisionEntry>,
}

impl TypeRecord {
    /// Creates the record of a type without revisions.
    #[must_use]
    pub fn new(name: TypeName) -> Self {
        Self {
            format: FORMAT,
            name,
            current: 0,
            generation: 0,
            rollout: None,
            removed: None,
            first: 0,
            rollbacks: Vec::new(),
            revisions: Vec::new(),
        }
    }

    /// Returns the current revision.
    #[must_use]
    pub fn current_entry(&self) -> Option<&RevisionEntry> {
        self.entry(self.current)
    }

    /// Returns the revision with this number.
    #[must_use]
    pub fn entry(&self, number: u32) -> Option<&RevisionEntry> {
        self.revisions.iter().find(|entry| entry.number == number)
    }

    /// Encodes the record for the store.
    ///
    /// # Panics
    /// Never: all its parts can be written as JSON.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec_pretty(self).expect("a type's record can be encoded as JSON").into()
    }

    /// Decodes the record of the type `name`.
    ///
    /// # Errors
    /// The reason why the record must not be used.
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Self, String> {
        let head: Head = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if head.format != FORMAT {
            return Err(format!("it has format {}, but this host reads {FORMAT}", head.format));
        }
        let record: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if record.name.as_str() != name {
            return Err(format!("it belongs to the type {}", record.name));
        }
        Ok(record)
    }
}

#[derive(Deserialize)]
struct Head {
    format: u32,
}

/// Whether a newer host has written this record, so that it is not damaged but only unreadable here.
#[must_use]
pub fn is_newer(bytes: &[u8]) -> bool {
    serde_json::from_slice(bytes).is_ok_and(|head: Head| head.format > FORMAT)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Returns the blob name of the record of the type `name`.
#[must_use]
pub fn type_blob(name: &str) -> String {
    format!("{PREFIX}{name}.json")
}

/// Returns the blob name under which a damaged record of the type `name` is kept.
#[must_use]
pub fn damaged_blob(name: &str, bytes: &[u8]) -> String {
    format!("damaged/{name}-{}.json", Digest::of(bytes))
}

/// Returns the type whose record is stored in the blob `name`.
#[must_use]
pub fn type_of_blob(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)?.strip_suffix(".json")
}

/// Returns the blob name of a component. After a removal, the name is never used again.
#[must_use]
pub fn component_blob(digest: Digest, copy: u32) -> String {
    match copy {
        0 => format!("components/{digest}.wasm"),
        copy => format!("components/{digest}-{copy}.wasm"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_types_record_is_read_back_and_only_as_its_own() {
        let record = TypeRecord::new(TypeName::new("todo").unwrap());
        assert_eq!(TypeRecord::decode("todo", &record.encode()), Ok(record.clone()));
        assert_eq!(
            TypeRecord::decode("list", &record.encode()),
            Err("it belongs to the type todo".to_owned())
        );
        let newer = format!(r#"{{"format":{},"name":"todo"}}"#, FORMAT + 1);
        let refused = TypeRecord::decode("todo", newer.as_bytes()).unwrap_err();
        assert!(refused.contains("format 6") && is_newer(newer.as_bytes()), "{refused}");
        assert!(!is_newer(&record.encode()) && !is_newer(b"{"));
        let older = format!(r#"{{"format":{},"name":"todo"}}"#, FORMAT - 1);
        let refused = TypeRecord::decode("todo", older.as_bytes()).unwrap_err();
        assert!(refused.contains("format 4") && !is_newer(older.as_bytes()), "{refused}");
    }
}
