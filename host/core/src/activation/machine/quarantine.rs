//! Quarantine: an object whose code fails repeatedly is not run for a while, so that it does not take processor time
//! from others.
//!
//! Consecutive failures are counted. Once they reach a limit, the count is committed, so that the next owner has it.
//! After each pause, which doubles each time, one call is let through. A successful call, new code, or an operator
//! ends the quarantine.
//!
//! Invariant: only this module changes the count, and every count at the limit becomes a version.

use std::time::Duration;

use super::live::Live;
use super::step::Step;
use crate::activation::protocol::{Action, Now, RunOutcome};
use crate::activation::{Answer, refuse};
use crate::engine::{Fault, HandlerError, RestoreError};
use crate::error::ErrorCode;
use crate::id::ObjectId;
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
        let doublings = self.faults.saturating_sub(fault_max).min(16);
        (QUARANTINE_MIN * 2_u32.pow(doublings)).min(QUARANTINE_MAX)
    }

    /// Returns how much of the current pause is left at this active time of the object.
    fn left(&self, time_ms: u64, fault_max: u32) -> Duration {
        let passed = time_ms.saturating_sub(self.since_ms);
        self.pause(fault_max).saturating_sub(Duration::from_millis(passed))
    }
}

impl<T> Live<T> {
    /// Whether calls are rejected without being run. New code always gets a trial.
    pub(super) fn is_quarantined(&self, now: Now<'_>) -> bool {
        self.quarantine.faults >= now.settings.fault_max
            && !self.upgrade.is_pending()
            && !self.quarantine_left(now).is_zero()
    }

    fn quarantine_left(&self, now: Now<'_>) -> Duration {
        self.quarantine.left(self.commit.time_ms(now), now.settings.fault_max)
    }

    /// Returns the answer to a call that is rejected without being run.
    pub(super) fn quarantined(&self, id: &ObjectId, now: Now<'_>) -> Answer {
        let (count, left) = (self.quarantine.faults, self.quarantine_left(now));
        let text = format!("{id} is in quarantine: its code failed {count} times in a row");
        let hint = format!("deploy a revision that works, or try again: highlander resume {id}");
        refuse(ErrorCode::ObjectQuarantined, text)
            .map_err(|error| Box::new(error.with_hint(hint).with_retry_after(left)))
    }

    /// Updates the failure count after a run. If the next owner must learn of the change, it becomes a separate
    /// version.
    pub(super) fn count_failures(&mut self, ran: &RunOutcome, step: &mut Step<'_, T>) {
        let now = step.now();
        let fault_max = now.settings.fault_max;
        match ran {
            RunOutcome::Faulted(Fault::Exhausted(_))
            | RunOutcome::Unreadable(RestoreError::Fault(Fault::Exhausted(_)))
            | RunOutcome::Rejected {
                rejection: HandlerError::UnknownHandler(_) | HandlerError::NoQuery,
                ..
            }
            | RunOutcome::NoCode(_)
            | RunOutcome::TimedOut => {}
            RunOutcome::Faulted(_) | RunOutcome::Unreadable(_) => {
                self.quarantine.faults = self.quarantine.faults.saturating_add(1);
                self.quarantine.since_ms = self.commit.time_ms(now);
                if self.quarantine.faults >= fault_max {
                    self.current.bump(now);
                    step.push(Action::Quarantined(self.quarantine.pause(fault_max)));
                }
            }
            RunOutcome::Updated { .. }
            | RunOutcome::Queried { .. }
            | RunOutcome::Rejected { .. } => {
                let is_committed = self.commit.faults() >= fault_max;
                self.quarantine.end();
                // An update commits the count anyway.
                if is_committed && !matches!(ran, RunOutcome::Updated { .. }) {
                    self.current.bump(now);
                }
            }
        }
    }
}
