//! Roll-out policy: the next step, as a pure function of the nodes' reports and the time.

use crate::catalog::record::TypeRecord;
use crate::catalog::rollout::{Rollout, RolloutScope, Stage};
use crate::rollout::{Awaited, Milestone, Progress, Readiness, Report, total};

/// Time limit for the nodes to fetch and compile a revision.
const PREPARE_MAX_MS: u64 = 60_000;
/// Time for which failures are counted after every node serves a revision.
const WATCH_MS: u64 = 60_000;
/// Number of failed objects below which nothing is rolled back.
const FAILURES_MIN: usize = 5;

/// Next step of a roll-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing is due yet.
    Wait,
    /// Objects start to change over.
    Roll,
    /// Every node serves the revision: the watching stage starts.
    Watch,
    /// The revision is accepted.
    Close,
    /// The revision is rolled back, for this reason.
    RollBack(String),
}

impl Step {
    /// Applies the step to the record.
    pub fn apply(&self, record: &mut TypeRecord, now_ms: u64) {
        match self {
            Self::Wait => {}
            Self::Roll => record.roll(now_ms),
            Self::Watch => record.watch(now_ms),
            Self::Close => record.close(),
            Self::RollBack(why) => record.revert(why),
        }
    }
}

/// Returns the next step of a roll-out from the reports of all members. It waits while a report is missing: a node
/// that is permanently gone soon ceases to be a member.
pub fn decide(record: &TypeRecord, rollout: &Rollout, reports: &[Report], now_ms: u64) -> Step {
    let passed_ms = now_ms.saturating_sub(rollout.since_ms);
    match rollout.stage {
        Stage::Preparing => prepare(record, reports, passed_ms),
        Stage::Rolling | Stage::Verifying => {
            if let Some(why) = too_many_failures(rollout, reports) {
                return Step::RollBack(why);
            }
            match rollout.stage {
                Stage::Rolling => roll(record, rollout, reports),
                // A roll-out for a part of the objects stays open until an operator decides about the rest.
                _ if rollout.scope == RolloutScope::All && passed_ms >= WATCH_MS => Step::Close,
                _ => Step::Wait,
            }
        }
    }
}

/// Returns the milestone that the nodes must reach for the next step, if the step depends on one.
#[must_use]
pub fn awaited(record: &TypeRecord, rollout: &Rollout) -> Option<Awaited> {
    let milestone = match rollout.stage {
        Stage::Preparing => Milestone::Ready,
        Stage::Rolling => Milestone::Probed,
        Stage::Verifying => return None,
    };
    Some(Awaited { generation: record.generation, milestone })
}

fn roll(record: &TypeRecord, rollout: &Rollout, reports: &[Report]) -> Step {
    // A roll-out without a failure limit, such as a roll-back, is never rolled back.
    let is_backed = rollout.failures_per_mille_max.is_some();
    // The objects of a node that joined after all were ready would stay on the previous revision.
    if let Some(why) = unable(record, reports).filter(|_| is_backed) {
        return Step::RollBack(why);
    }
    let is_done = |progress: &Progress| {
        progress.readiness == Readiness::Ready && progress.is_applied && progress.is_probed
    };
    match (all(record, reports, is_done), is_backed) {
        (false, _) => Step::Wait,
        // Without a failure limit there is nothing to watch for. A canary stays open anyway.
        (true, false) if rollout.scope == RolloutScope::All => Step::Close,
        (true, _) => Step::Watch,
    }
}

/// Returns the reason why a node cannot run the new revision, if there is such a node.
fn unable(record: &TypeRecord, reports: &[Report]) -> Option<String> {
    reports.iter().find_map(|Report { node, progress }| {
        match progress.as_ref().filter(|p| p.generation == record.generation).map(|p| &p.readiness)
        {
            Some(Readiness::Failed(why)) => Some(format!("{node} cannot run it: {why}")),
            _ => None,
        }
    })
}

fn prepare(record: &TypeRecord, reports: &[Report], passed_ms: u64) -> Step {
    if let Some(why) = unable(record, reports) {
        return Step::RollBack(why);
    }
    if all(record, reports, |progress| progress.readiness == Readiness::Ready) {
        return Step::Roll;
    }
    if passed_ms < PREPARE_MAX_MS {
        return Step::Wait;
    }
    let is_ready = |progress: &Progress| {
        progress.generation == record.generation && progress.readiness == Readiness::Ready
    };
    let late = reports.iter().find(|report| !report.progress.as_ref().is_some_and(is_ready));
    let late = late.map_or("the cluster", |report| report.node.as_str());
    Step::RollBack(format!(
        "{late} did not report within {} s that it is ready",
        PREPARE_MAX_MS / 1000
    ))
}

/// Whether every node has read the present record, and `holds` is true of its progress.
fn all(record: &TypeRecord, reports: &[Report], holds: impl Fn(&Progress) -> bool) -> bool {
    !reports.is_empty()
        && reports.iter().all(|report| {
            report.progress.as_ref().is_some_and(|p| p.generation == record.generation && holds(p))
        })
}

fn too_many_failures(rollout: &Rollout, reports: &[Report]) -> Option<String> {
    let limit = rollout.failures_per_mille_max?;
    let taken = total(reports);
    let tried = taken.succeeded + taken.failed;
    let is_over = taken.failed >= FAILURES_MIN && taken.failed * 1000 > tried * usize::from(limit);
    is_over.then(|| {
        let example = taken.pinned.iter().next();
        let example = example.map(|(key, why)| format!("; {key}: {why}")).unwrap_or_default();
        format!("it failed for {} of {tried} objects{example}", taken.failed)
    })
}

#[cfg(test)]
mod tests;
