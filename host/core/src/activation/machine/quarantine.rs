//! Quarantine: an object whose code fails repeatedly is not run for a while, so that it does not take processor time
//! from others.
//!
//! Consecutive failures are counted. Once they reach a limit, the count is committed, so that the next owner has it.
//! After each pause, which doubles each time, one call is let through. A successful call, new code, or an operator
//! ends the quarantine.
//!
//! Invariant: only this module changes the count, and every count at the limit becomes a version.

use std::time::Duration;

use super::commit::Commit;
use super::step::Step;
use crate::activation::protocol::{Action, Now, RunOutcome};
use crate::backoff::backoff;
use crate::engine::HandlerError;
use crate::limits::{QUARANTINE_MAX, QUARANTINE_MIN};
use crate::store::record::Record;

/// Failure count, and the start of the current pause.
#[derive(Debug)]
pub(super) struct Quarantine {
    /// Consecutive failures.
    faults: u32,
    /// Object's active time at the last failure.
    since_ms: u64,
}

impl Quarantine {
    /// Returns the failure count contained in a record.
    pub(super) fn loaded(record: Option<&Record>) -> Self {
        Self {
            faults: record.map_or(0, |record| record.faults),
            since_ms: record.map_or(0, |record| record.time_ms),
        }
    }

    pub(super) fn faults(&self) -> u32 {
        self.faults
    }

    /// Ends the quarantine, and forgets the failures.
    pub(super) fn end(&mut self) {
        self.faults = 0;
    }

    /// Returns the time after the last failure for which the object is not run.
    fn pause(&self, fault_max: u32) -> Duration {
        backoff(QUARANTINE_MIN, self.faults.saturating_sub(fault_max), QUARANTINE_MAX)
    }

    /// Returns how much of the current pause is left; `None` if calls may run.
    pub(super) fn left(&self, commit: &Commit, now: Now<'_>) -> Option<Duration> {
        let fault_max = now.settings.fault_max;
        if self.faults < fault_max {
            return None;
        }
        let passed = commit.time_ms(now).saturating_sub(self.since_ms);
        let left = self.pause(fault_max).saturating_sub(Duration::from_millis(passed));
        (!left.is_zero()).then_some(left)
    }

    /// Updates the failure count after a run. Returns whether the count must become a separate version, because the
    /// next owner must learn of it.
    #[must_use]
    pub(super) fn count<T>(
        &mut self,
        ran: &RunOutcome,
        commit: &Commit,
        step: &mut Step<'_, T>,
    ) -> bool {
        let fault_max = step.now().settings.fault_max;
        match ran {
            ran if ran.is_of_node() => false,
            RunOutcome::Rejected {
                rejection: HandlerError::UnknownHandler(_) | HandlerError::NoQuery,
                ..
            }
            | RunOutcome::NoCode(_)
            | RunOutcome::TimedOut => false,
            RunOutcome::Faulted(_) | RunOutcome::Unreadable(_) => {
                self.faults = self.faults.saturating_add(1);
                self.since_ms = commit.time_ms(step.now());
                let is_reached = self.faults >= fault_max;
                if is_reached {
                    step.push(Action::Quarantined(self.pause(fault_max)));
                }
                is_reached
            }
            RunOutcome::Updated { .. }
            | RunOutcome::Queried { .. }
            | RunOutcome::Rejected { .. } => {
                self.end();
                // An update commits the count anyway.
                commit.faults() >= fault_max && !matches!(ran, RunOutcome::Updated { .. })
            }
        }
    }
}
