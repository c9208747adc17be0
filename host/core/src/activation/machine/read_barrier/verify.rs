//! Proof of tickets by a read of the record, if no write proves them.

use crate::activation::Reason;
use crate::activation::machine::live::Live;
use crate::activation::machine::step::Step;
use crate::activation::protocol::{Action, ReloadOutcome};
use crate::error::ErrorCode;

impl<T> Live<T> {
    /// Starts a read of the record if an answer waits for a proof and no write is in progress.
    pub(in crate::activation::machine) fn begin_proof(&mut self, step: &mut Step<'_, T>) {
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
    pub(in crate::activation::machine) fn record_verified(
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
