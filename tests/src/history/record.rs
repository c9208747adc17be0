//! Parser of an object's record in the store, written from `docs/formats.md`.
//!
//! It shares no code with the host, so it checks what an operator would find with ordinary tools.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::check::Violation;
use super::{Last, Seen, model};

/// Length of the checksum and its field at the end.
const CHECKSUM_BYTES: usize = 86;

/// Content of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Type and key of the object, `type/key`.
    pub object: String,
    /// Number of changes.
    pub version: u64,
    /// Epoch: number of the owner that made the last change.
    pub epoch: u64,
    /// Node that wrote the record.
    pub owner: String,
    /// Versions of the remembered calls with an idempotency key.
    pub answered: BTreeMap<String, u64>,
    /// State of the object.
    pub state: Value,
}

impl Record {
    /// Parses a record, and checks that it is complete and consistent.
    ///
    /// # Errors
    /// The first defect found.
    pub fn read(blob: &[u8]) -> Result<Self, Violation> {
        read(blob).map_err(Violation::Record)
    }

    /// Returns the last state of the object according to the record.
    ///
    /// # Errors
    /// If the state is neither that of a counter nor that of a journal.
    pub fn last(&self) -> Result<Last, Violation> {
        let (value, entries) = match (&self.state["value"], &self.state["entries"]) {
            (Value::Number(value), Value::Null) => (value.as_u64(), None),
            (Value::Null, Value::Array(entries)) => {
                let entries: Option<Vec<_>> = entries.iter().map(Value::as_u64).collect();
                (self.state["digest"].as_u64(), entries)
            }
            _ => (None, None),
        };
        let value =
            value.ok_or_else(|| Violation::Record(format!("invalid state {}", self.state)))?;
        if let Some(entries) = &entries {
            let digest = entries.iter().fold(0, |digest, entry| model::extended(digest, *entry));
            if digest != value {
                return Err(Violation::Record(format!("{value} is not the digest of its entries")));
            }
        }
        Ok(Last { seen: Seen { value, version: self.version, epoch: self.epoch }, entries })
    }
}

fn read(blob: &[u8]) -> Result<Record, String> {
    let split = blob.len().checked_sub(CHECKSUM_BYTES).ok_or("the checksum is missing")?;
    let (content, end) = blob.split_at(split);
    let sum: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = format!(",\"checksum\":\"sha256:{sum}\"}}");
    if end != expected.as_bytes() {
        return Err(format!(
            "the record ends with {:?}; expected {expected}",
            String::from_utf8_lossy(end)
        ));
    }
    let record: Value = serde_json::from_slice(blob).map_err(|error| error.to_string())?;
    let number = |field: &str| {
        record[field].as_u64().ok_or(format!("the field {field} is missing or invalid"))
    };
    let text = |field: &str| Ok::<_, String>(record[field].as_str().ok_or(field)?.to_owned());
    let (version, epoch) = (number("version")?, number("epoch")?);
    let recent = record["recent"].as_array().ok_or("the field recent is missing or invalid")?;
    let versions: Vec<_> = recent.iter().filter_map(|write| write[0].as_u64()).collect();
    let is_rising = versions.windows(2).all(|pair| pair[0] < pair[1]);
    if versions.len() != recent.len() || versions.last() != Some(&version) || !is_rising {
        return Err(format!("recent writes {versions:?} do not match version {version}"));
    }
    let mut answered = BTreeMap::new();
    for entry in record["answered"].as_array().ok_or("the field answered is missing or invalid")? {
        let (Some(key), Some(made)) = (entry[0].as_str(), entry[2].as_u64()) else {
            return Err(format!("invalid answer {entry}"));
        };
        if made > version || answered.insert(key.to_owned(), made).is_some() {
            return Err(format!("invalid answer of {key} at version {made}"));
        }
    }
    let object = format!("{}/{}", text("type")?, text("key")?);
    let (owner, state) = (text("owner")?, record["state"].clone());
    Ok(Record { object, version, epoch, owner, answered, state })
}
