//! Read barrier (ReadIndex) for strict answers: compares the cached version with the store before an answer leaves
//! (S4).
//!
//! Each strict answer takes a ticket. A ticket is proven once the store is found to still hold the version that this
//! owner committed last, at a time after the ticket was taken. The proof is a read of the record, or the success of a
//! conditional write, that started after the ticket. One proof serves all earlier tickets.
//!
//! Invariant: only this module issues tickets, and only the commits can prove them from outside.

use std::time::Duration;

use super::live::Live;
use super::step::Step;
use crate::activation::protocol::{Action, ReloadOutcome};
use crate::activation::{Consistency, Reason};
use crate::error::ErrorCode;
use crate::limits::{RETRY_PAUSE_MAX, RETRY_PAUSE_MIN};

/// Ticket of an answer that needs a proof; tickets ascend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Ticket(u64);

impl Ticket {
    /// Ticket of answers that need no proof.
    pub(super) const NONE: Self = Self(0);
}

/// Issued and proven tickets.
#[derive(Debug, Default)]
pub(super) struct ReadBarrier {
    asked: Ticket,
    proven: Ticket,
    /// Newest ticket that the proof in progress serves.
    under_way: Option<Ticket>,
    /// Consecutive reads that the store did not answer.
    failures: u32,
}

impl ReadBarrier {
    /// Returns the ticket of an answer with this consistency.
    pub(super) fn ticket(&mut self, consistency: Consistency) -> Ticket {
        match consistency {
            Consistency::Lease => Ticket::NONE,
            Consistency::Strict => {
                self.asked.0 += 1;
                self.asked
            }
        }
    }

    /// Returns the newest ticket.
    pub(super) fn newest(&self) -> Ticket {
        self.asked
    }

    pub(super) fn is_proven(&self, ticket: Ticket) -> bool {
        ticket <= self.proven
    }

    /// Whether the record is being read as proof.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Marks all tickets up to this one as proven.
    pub(super) fn done(&mut self, ticket: Ticket) {
        self.proven = self.proven.max(ticket);
    }

    /// Stops waiting for the proof in progress.
    pub(super) fn abandon(&mut self) {
        self.under_way = None;
    }

    fn pause(&self) -> Duration {
        match self.failures {
            0 => Duration::ZERO,
            count => (RETRY_PAUSE_MIN * 2_u32.pow(count.min(10) - 1)).min(RETRY_PAUSE_MAX),
        }
    }
}

impl<T> Live<T> {
    /// Starts a read of the record if an answer waits for a proof and no write is in progress.
    pub(super) fn begin_proof(&mut self, step: &mut Step<'_, T>) {
        let barrier = &mut self.read_barrier;
        if barrier.asked == barrier.proven || barrier.is_under_way() || self.commit.is_writing() {
            return;
        }
        if self.replies.needs_proof(barrier) {
            barrier.under_way = Some(barrier.asked);
            step.push(Action::VerifyRecord(barrier.pause()));
        }
    }

    /// Compares a record that was read as proof with the committed one. Returns the reason if the activation must
    /// end.
    pub(super) fn record_verified(
        &mut self,
        reread: ReloadOutcome,
        step: &mut Step<'_, T>,
    ) -> Option<Reason> {
        let barrier = &mut self.read_barrier;
        let ticket = barrier.under_way.take()?;
        let found = match reread {
            ReloadOutcome::Found(found) => found,
            ReloadOutcome::Failed(_) => {
                barrier.failures = barrier.failures.saturating_add(1);
                return None;
            }
            ReloadOutcome::Damaged(why) => {
                let why = format!("its record is damaged: {why}");
                self.discard_uncommitted(ErrorCode::RecordDamaged, &why, step);
                return Some(Reason::RecordDamaged);
            }
        };
        barrier.failures = 0;
        if self.commit.is_at(found.as_ref().map(|(_, etag)| etag)) {
            barrier.done(ticket);
            self.release_due(step);
            return None;
        }
        let why = "the store has a version written by another owner";
        self.discard_uncommitted(ErrorCode::CommitRefused, why, step);
        self.continue_from(found.as_ref(), step)
    }
}
