//! Roll-outs: the response to a deployment or a roll-back, and the progress of the nodes.

use highlander_core::catalog::rollout::{self, RolloutScope, Stage};
use highlander_core::id::{Digest, TypeName};
use highlander_core::rollout::Progress;
use serde::{Deserialize, Serialize};

/// Outcome of a deployment or a roll-back.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct Released {
    /// Digest of the component, after a deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Whether anything changed; false for a repetition.
    pub is_new: bool,
    /// Revision that is current now or is being rolled out.
    pub revision: u32,
    /// Objects that take part, after a deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<RolloutScope>,
    /// Name of the type.
    #[serde(rename = "type")]
    pub type_name: TypeName,
}

/// Progress of the nodes with a type.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct RolloutStatus {
    /// Name of the type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Number of the current revision.
    pub current: u32,
    /// Roll-out in progress, if any.
    pub rollout: Option<Rollout>,
    /// Progress of each node.
    pub nodes: Vec<NodeProgress>,
}

/// Progress of one node.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct NodeProgress {
    /// Name of the node.
    pub id: String,
    /// Progress, if the node reported it.
    pub progress: Option<Progress>,
}

/// Roll-out in progress.
// It is separate from the type in `highlander_core`, which rejects members that this build lacks: a node that
// rewrites the record of a type would lose them. A client accepts those of a newer node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
pub struct Rollout {
    /// New revision.
    pub revision: u32,
    /// Revision that it replaces.
    pub previous: u32,
    /// Current stage.
    pub stage: Stage,
    /// Objects that take part.
    pub scope: RolloutScope,
    /// Number of failed objects per thousand above which the revision is rolled back, if the roll-back is
    /// not disabled.
    pub failures_per_mille_max: Option<u16>,
    /// Start of the stage, in milliseconds since 1970.
    pub since_ms: u64,
    /// Principal that requested it.
    pub by: String,
}

impl From<rollout::Rollout> for Rollout {
    fn from(recorded: rollout::Rollout) -> Self {
        let rollout::Rollout { revision, previous, stage, scope, .. } = recorded;
        let (failures_per_mille_max, since_ms) =
            (recorded.failures_per_mille_max, recorded.since_ms);
        Self { revision, previous, stage, scope, failures_per_mille_max, since_ms, by: recorded.by }
    }
}
