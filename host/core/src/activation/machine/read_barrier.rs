//! Read barrier (ReadIndex) for strict answers: compares the cached version with the store before an answer leaves
//! (S4).
//!
//! Each strict answer takes a ticket. A ticket is proven once the store is found to still hold the version that this
//! owner committed last, at a time after the ticket was taken. The proof is a read of the record, or the success of a
//! conditional write, that started after the ticket. One proof serves all earlier tickets.

use std::time::Duration;

use super::step::Step;
use super::{Activation, Live, PendingReply, Phase};
use crate::activation::protocol::{Action, ReloadOutcome};
use crate::activation::{Answer, Consistency, Reason};
use crate::clock::BootTime;
use crate::error::ErrorCode;
use crate::limits::{RETRY_PAUSE_MAX, RETRY_PAUSE_MIN};
use crate::store::record::Version;

/// Ticket number of an answer that needs a proof; numbers ascend.
pub(super) type Ticket = u64;

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
    pub(super) fn newest(&self) -> Ticket {
        self.asked
    }

    pub(super) fn proven(&self) -> Ticket {
        self.proven
    }

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

impl<T> Activation<T> {
    /// Compares a record that was read as proof with the committed version.
    pub(super) fn proven(&mut self, reread: ReloadOutcome, step: &mut Step<'_, T>) {
        let Some(live) = &mut self.live else { return };
        let Some(ticket) = live.read_barrier.under_way.take() else { return };
        let found = match reread {
            ReloadOutcome::Found(found) => found,
            ReloadOutcome::Failed(_) => {
                live.read_barrier.failures = live.read_barrier.failures.saturating_add(1);
                return;
            }
            ReloadOutcome::Damaged(why) => {
                let why = format!("its record is damaged: {why}");
                live.discard_uncommitted(ErrorCode::RecordDamaged, &why, step);
                self.phase = Phase::Closing(Reason::RecordDamaged);
                return;
            }
        };
        live.read_barrier.failures = 0;
        if found.as_ref().map(|(_, etag)| etag) == live.committed.etag.as_ref() {
            live.read_barrier.done(ticket);
            return live.release_due(step);
        }
        let why = "the store has a version written by another owner";
        live.discard_uncommitted(ErrorCode::CommitRefused, why, step);
        if step.has_lease() {
            live.reload(found.as_ref(), step);
        } else {
            self.phase = Phase::Closing(Reason::LeaseOver);
        }
    }
}

impl<T> Live<T> {
    /// Queues the answer of a call that read `version` and changed nothing.
    pub(super) fn read_reply(
        &mut self,
        caller: T,
        version: Version,
        answer: Answer,
        deadline: BootTime,
        consistency: Consistency,
    ) -> PendingReply<T> {
        let proof = match consistency {
            Consistency::Lease => 0,
            Consistency::Strict => {
                self.read_barrier.asked += 1;
                self.read_barrier.asked
            }
        };
        PendingReply { caller, version, is_change: false, proof, answer, deadline }
    }

    /// Starts a read of the record if an answer waits for a proof and no write is in progress.
    pub(super) fn begin_proof(&mut self, step: &mut Step<'_, T>) {
        let proof = &mut self.read_barrier;
        if proof.asked == proof.proven || proof.is_under_way() || self.in_flight_write.is_some() {
            return;
        }
        if self.pending_replies.iter().any(|waiting| waiting.proof > proof.proven) {
            proof.under_way = Some(proof.asked);
            step.push(Action::VerifyRecord(proof.pause()));
        }
    }
}

impl<T> PendingReply<T> {
    /// Whether the answer's commit and proof are complete. The lease is checked separately.
    pub(super) fn is_due(&self, committed: Version, proven: Ticket) -> bool {
        self.version <= committed && self.proof <= proven
    }
}
