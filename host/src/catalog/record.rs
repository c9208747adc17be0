//! What the store holds for one type: its revisions, and which is current. `docs/formats.md` has it field by field.
//! The components themselves are blobs of their own, named by their digest.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::removal::Removal;
use super::rollout::{Rollout, Terms};
use crate::engine::Description;
use crate::id::{Digest, TypeName};

/// What the names of all types' records begin with.
pub const PREFIX: &str = "types/";
const FORMAT: u32 = 3;
/// The format before there were roll-outs, which reads as one without any.
const FORMAT_MIN: u32 = 1;

/// One published component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevisionEntry {
    /// Its number, from 1.
    pub number: u32,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// When it was deployed, in milliseconds since 1970.
    pub deployed_at_ms: u64,
    /// Who deployed it.
    #[serde(default)]
    pub deployed_by: String,
    /// The idempotency keys of the deployments that it comes from, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Bytes of the component.
    #[serde(default)]
    pub size: u64,
    /// Why it was taken back, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<String>,
    /// Which of the blobs of this component is its own: one more for each time that it was removed and came again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub copy: u32,
    /// Since when nothing asks for it any more, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at_ms: Option<u64>,
    /// Whether its component was removed, because no object needs it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_collected: bool,
    /// What the component says of itself.
    pub description: Description,
}

/// All revisions of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeRecord {
    /// Number of this format.
    format: u32,
    /// The type.
    pub name: TypeName,
    /// Number of the current revision; 0 before the first.
    pub current: u32,
    /// The mark of the last change: how whoever made it recognises it.
    #[serde(default)]
    pub mark: u64,
    /// The revision that is taking the place of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// That it was removed, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<Removal>,
    /// Number of the first revision of the type as it is now; those before were of one that was removed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub first: u32,
    /// The revisions, oldest first.
    pub revisions: Vec<RevisionEntry>,
}

impl TypeRecord {
    /// A type without revisions.
    #[must_use]
    pub fn new(name: TypeName) -> Self {
        Self {
            format: FORMAT,
            name,
            current: 0,
            mark: 0,
            rollout: None,
            removed: None,
            first: 0,
            revisions: Vec::new(),
        }
    }

    /// The current revision.
    #[must_use]
    pub fn current_entry(&self) -> Option<&RevisionEntry> {
        self.entry(self.current)
    }

    /// The revision of this number.
    #[must_use]
    pub fn entry(&self, number: u32) -> Option<&RevisionEntry> {
        self.revisions.iter().find(|entry| entry.number == number)
    }

    /// Adds a revision.
    pub(super) fn add(
        &mut self,
        digest: Digest,
        size: u64,
        description: Description,
        terms: &Terms,
        now_ms: u64,
    ) -> RevisionEntry {
        let number = self.revisions.last().map_or(1, |newest| newest.number + 1);
        let copy = self.copy_of(digest);
        self.recall(digest);
        let entry = RevisionEntry {
            number,
            digest,
            deployed_at_ms: now_ms,
            deployed_by: terms.by.to_string(),
            keys: terms.key.iter().cloned().collect(),
            size,
            taken_back: None,
            copy,
            retired_at_ms: None,
            is_collected: false,
            description,
        };
        self.revisions.push(entry.clone());
        entry
    }

    /// The record as it is stored.
    ///
    /// # Panics
    /// Never: all its parts can be written as JSON.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec_pretty(self).expect("a type's record is plain data").into()
    }

    /// Reads the record of the type `name`.
    ///
    /// # Errors
    /// Why it must not be used.
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Self, String> {
        let head: Head = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if !(FORMAT_MIN..=FORMAT).contains(&head.format) {
            return Err(format!("it has format {}, this host reads {FORMAT}", head.format));
        }
        let mut record: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if record.name.as_str() != name {
            return Err(format!("it is of the type {}", record.name));
        }
        record.format = FORMAT;
        Ok(record)
    }
}

#[derive(Deserialize)]
struct Head {
    format: u32,
}

/// Whether this is a record that a newer host has written, and that is not damaged for that.
#[must_use]
pub fn is_newer(bytes: &[u8]) -> bool {
    serde_json::from_slice(bytes).is_ok_and(|head: Head| head.format > FORMAT)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Name of the blob that holds the record of the type `name`.
#[must_use]
pub fn type_blob(name: &str) -> String {
    format!("{PREFIX}{name}.json")
}

/// Name of the blob that keeps a damaged record of the type `name` aside.
#[must_use]
pub fn damaged_blob(name: &str, bytes: &[u8]) -> String {
    format!("damaged/{name}-{}.json", Digest::of(bytes))
}

/// The type whose record the blob `name` holds.
#[must_use]
pub fn type_of_blob(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)?.strip_suffix(".json")
}

/// Name of the blob that holds a component; no name comes again after it was removed.
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
            Err("it is of the type todo".to_owned())
        );
        let newer = format!(r#"{{"format":{},"name":"todo"}}"#, FORMAT + 1);
        let refused = TypeRecord::decode("todo", newer.as_bytes()).unwrap_err();
        assert!(refused.contains("format 4") && is_newer(newer.as_bytes()), "{refused}");
        assert!(!is_newer(&record.encode()) && !is_newer(b"{"));
    }

    #[test]
    fn a_record_from_before_there_were_roll_outs_is_read() {
        let old = br#"{"format":1,"name":"todo","current":0,"revisions":[]}"#;
        let record = TypeRecord::decode("todo", old).unwrap();
        assert_eq!(record, TypeRecord::new(TypeName::new("todo").unwrap()));
    }
}
