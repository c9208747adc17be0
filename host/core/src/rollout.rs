//! Roll-out of a revision in a cluster: what nodes report, and the [`policy`] that takes the next step.

pub mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::catalog::UpgradeStats;
use crate::id::NodeId;

/// Whether a revision can run on this node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Readiness {
    /// It has not been tried yet.
    #[default]
    Unknown,
    /// It can run.
    Ready,
    /// It cannot run, for this reason.
    Failed(String),
}

/// Progress of this node with a type.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Progress {
    /// Generation of the newest record of the type that this node has read.
    pub generation: u64,
    /// Whether the new revision can run here.
    pub readiness: Readiness,
    /// Whether every call to a live object runs the revision of the record.
    pub is_applied: bool,
    /// Whether every live object has tried it.
    pub is_probed: bool,
    /// Results of the live objects with it.
    pub upgrades: UpgradeStats,
    /// Revisions that the live objects run, if requested.
    pub live: Option<Live>,
}

impl Progress {
    /// Whether every call to a live object runs the revision of this generation of the record.
    #[must_use]
    pub fn has_applied(&self, generation: u64) -> bool {
        self.generation == generation && self.is_applied
    }
}

/// Revisions that the live objects of a type run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Live {
    /// Number of objects by the revision of their next call.
    pub counts: BTreeMap<u32, usize>,
    /// All revisions that an object may still run, including the fallback if its next call fails.
    pub may_run: BTreeSet<u32>,
}

/// Point in a node's progress that a coordinator waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// The node has fetched and compiled the new revision, or cannot.
    Ready,
    /// Every call to a live object runs the revision of the record.
    Applied,
    /// Every live object has tried it.
    Probed,
}

impl Milestone {
    /// Every milestone, with its name in requests.
    pub const NAMES: [(&str, Self); 3] =
        [("ready", Self::Ready), ("applied", Self::Applied), ("probed", Self::Probed)];

    /// Returns the name in requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Applied => "applied",
            Self::Probed => "probed",
        }
    }
}

/// Milestone of one generation of a type's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awaited {
    /// Generation of the record.
    pub generation: u64,
    /// The milestone.
    pub milestone: Milestone,
}

impl Awaited {
    /// Whether a node with this progress has reached the milestone, or cannot reach it.
    #[must_use]
    pub fn is_reached(self, progress: &Progress) -> bool {
        progress.generation == self.generation
            && match (&progress.readiness, self.milestone) {
                (Readiness::Failed(_), _) => true,
                (readiness, Milestone::Ready) => *readiness == Readiness::Ready,
                (_, Milestone::Applied) => progress.is_applied,
                (_, Milestone::Probed) => progress.is_applied && progress.is_probed,
            }
    }
}

/// Request for the progress of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProgressQuery {
    /// Whether to visit all objects and report the revisions that they run.
    pub counts_live: bool,
    /// Milestone that the node waits for before it answers, for at most [`PROGRESS_WAIT_MAX`].
    pub awaited: Option<Awaited>,
}

impl ProgressQuery {
    /// Query for the present progress, with the revisions that live objects run.
    pub const LIVE: Self = Self { counts_live: true, awaited: None };

    /// Returns a query that is answered once the node has reached the milestone.
    #[must_use]
    pub fn until(milestone: Milestone, generation: u64) -> Self {
        Self { counts_live: false, awaited: Some(Awaited { generation, milestone }) }
    }
}

/// Maximum time for which a node delays its answer to a [`ProgressQuery`].
pub const PROGRESS_WAIT_MAX: Duration = Duration::from_millis(250);

/// Report of one node about a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Name of the node.
    pub node: NodeId,
    /// Progress of the node, if it answered.
    pub progress: Option<Progress>,
}

impl Report {
    /// Whether the node has reported that it [has applied](Progress::has_applied) this generation.
    #[must_use]
    pub fn has_applied(&self, generation: u64) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.has_applied(generation))
    }
}

/// Adds up the reports of all nodes.
#[must_use]
pub fn total(reports: &[Report]) -> UpgradeStats {
    let mut total = UpgradeStats::default();
    for taken in reports.iter().filter_map(|report| report.progress.as_ref().map(|p| &p.upgrades)) {
        total.succeeded += taken.succeeded;
        total.failed += taken.failed;
        total.pinned.extend(taken.pinned.clone());
    }
    total
}
