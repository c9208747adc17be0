//! Roll-out of a revision in a cluster: what nodes report, and the [`policy`] that takes the next step.

pub mod policy;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalog::UpgradeStats;
use crate::id::NodeId;

/// Whether a revision can run on this node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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
pub struct Progress {
    /// Mark of the newest record of the type that this node has read.
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

/// Revisions that the live objects of a type run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Live {
    /// Number of objects by the revision of their next call.
    pub counts: BTreeMap<u32, usize>,
    /// All revisions that an object may still run, including the fallback if its next call fails.
    pub may_run: BTreeSet<u32>,
}

/// Report of one node about a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Name of the node.
    pub node: NodeId,
    /// Progress of the node, if it answered.
    pub progress: Option<Progress>,
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
