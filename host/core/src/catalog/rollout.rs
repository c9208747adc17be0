//! Roll-out of a revision as the type's record holds it: its stage, and the objects that take part.

use serde::{Deserialize, Serialize};

use crate::id::{Digest, ObjectId};

/// Stage of a roll-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The nodes fetch and compile the revision. No object runs it yet.
    Preparing,
    /// Objects change over to the revision.
    Rolling,
    /// Every node serves the revision. Failures are still counted, and too many cause a roll-back.
    Verifying,
}

/// Objects of the type that take part in a roll-out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RolloutScope {
    /// All objects.
    All,
    /// Percentage of the objects, selected by the hash of their ids: a larger share contains every smaller one.
    Percent(u8),
    /// Objects with these keys.
    Keys(Vec<String>),
}

impl RolloutScope {
    /// Whether the object takes part.
    #[must_use]
    pub fn includes(&self, id: &ObjectId) -> bool {
        match self {
            Self::All => true,
            Self::Percent(percent) => {
                let [first, second, ..] = *Digest::of(id.as_str().as_bytes()).as_bytes();
                u32::from(u16::from_be_bytes([first, second])) * 100 < u32::from(*percent) << 16
            }
            Self::Keys(keys) => keys.iter().any(|key| key == id.key()),
        }
    }
}

/// Roll-out: one revision replaces another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// New revision.
    pub revision: u32,
    /// Revision that it replaces.
    pub previous: u32,
    /// Current stage.
    pub stage: Stage,
    /// Objects that take part.
    pub scope: RolloutScope,
    /// Number of failed objects per thousand above which the revision is rolled back; `None` disables the
    /// roll-back.
    pub failures_per_mille_max: Option<u16>,
    /// Start of the stage, in milliseconds since 1970.
    pub since_ms: u64,
    /// Principal that requested it.
    pub by: String,
}

impl Rollout {
    /// Whether it goes back to an older revision. A deployment always gets the highest number.
    #[must_use]
    pub fn is_back(&self) -> bool {
        self.revision < self.previous
    }

    /// Whether every node serves the revision to all objects, so that another roll-out can begin.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.stage == Stage::Verifying && self.scope == RolloutScope::All
    }
}
