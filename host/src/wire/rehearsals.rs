//! Rehearsals: what to try, how far it is, and the share of one node.

use std::collections::BTreeMap;
use std::fmt;

use highlander_core::id::{Digest, TypeName};
use serde::{Deserialize, Serialize};

/// Number of distinct causes that a result keeps.
const CAUSES_MAX: usize = 100;
/// Number of objects named per cause.
const EXAMPLES_MAX: usize = 5;

/// Number of objects to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// All objects.
    All,
    /// This number of objects, chosen at random.
    Some(usize),
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Some(count) => write!(f, "{count}"),
        }
    }
}

impl std::str::FromStr for Sample {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            text => text.parse().ok().filter(|count| *count > 0).map(Self::Some).ok_or_else(|| {
                format!("{text:?} is not a valid sample; expected a number from 1, or \"all\"")
            }),
        }
    }
}

/// Rehearsal that has begun.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct Begun {
    /// Digest of the component.
    pub digest: Digest,
    /// Name of its type.
    #[serde(rename = "type")]
    pub type_name: TypeName,
}

/// Progress of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct Rehearsal {
    /// Name of the type.
    #[serde(rename = "type")]
    pub type_name: TypeName,
    /// Digest of the component.
    pub digest: Digest,
    /// Number of objects to try, once they are listed.
    pub total: Option<usize>,
    /// Whether it has ended.
    pub is_done: bool,
    /// Reason why it ended early, if it did.
    pub stopped: Option<String>,
    /// Results so far.
    pub rehearsed: Rehearsed,
}

/// Accumulated result of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct Rehearsed {
    /// Objects whose state was read, or should have been.
    pub tried: u64,
    /// Number of objects that failed.
    pub failed: u64,
    /// Causes of the failures, each with some of the keys.
    pub causes: BTreeMap<String, Failures>,
    /// Total size of all states as stored, in bytes.
    pub bytes_before: u64,
    /// Total size of the same states as the new code writes them, in bytes. States that failed count with their
    /// stored size.
    pub bytes_after: u64,
    /// Size of the largest state as the new code writes it, in bytes.
    pub largest_after: u64,
    /// Sum of the processing times of all objects, in microseconds.
    pub micros: u64,
    /// Processing time of the slowest object, in microseconds.
    pub micros_max: u64,
}

/// Objects that failed for the same cause.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct Failures {
    /// Number of objects.
    pub count: u64,
    /// Some of their keys.
    pub examples: Vec<String>,
}

impl Rehearsed {
    /// Adds another result.
    pub fn add(&mut self, other: Self) {
        self.tried += other.tried;
        self.failed += other.failed;
        for (cause, failures) in other.causes {
            self.blame(cause, failures);
        }
        self.bytes_before += other.bytes_before;
        self.bytes_after += other.bytes_after;
        self.largest_after = self.largest_after.max(other.largest_after);
        self.micros += other.micros;
        self.micros_max = self.micros_max.max(other.micros_max);
    }

    fn blame(&mut self, cause: String, failures: Failures) {
        let is_new = !self.causes.contains_key(&cause);
        let cause =
            if is_new && self.causes.len() >= CAUSES_MAX { "other causes".into() } else { cause };
        let known = self.causes.entry(cause).or_default();
        known.count += failures.count;
        known.examples.extend(failures.examples);
        known.examples.truncate(EXAMPLES_MAX);
    }
}

/// Component that is stored for a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// SHA-256 of the component.
    pub digest: Digest,
    /// Time of storage, in milliseconds since 1970.
    pub at_ms: u64,
    /// Random number, so that no two rehearsals share a blob.
    pub nonce: u32,
}

/// Objects of a rehearsal that are assigned to one node.
#[derive(Debug, Serialize, Deserialize)]
pub struct RehearsalShare {
    /// The component.
    pub staged: Staged,
    /// Keys of the objects.
    pub keys: Vec<String>,
}
