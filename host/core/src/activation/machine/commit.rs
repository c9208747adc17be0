//! Processes the outcome of a write, according to the table "Write outcomes" in ARCHITECTURE.md.
//!
//! The activation owns the retries: an undecided write is sent again, byte for byte under the same condition, until
//! it is decided. It cannot apply twice, because the first success changes the ETag.

use std::time::Duration;

use super::outbox::Deliveries;
use super::quarantine::Quarantine;
use super::replies::unknown;
use super::step::Step;
use super::{
    Activation, BatchWindow, Current, InFlightWrite, Live, Phase, committed_state,
    idempotency_cache,
};
use crate::activation::Reason;
use crate::activation::protocol::{Action, ReloadOutcome};
use crate::activation::resolution::{Resolution, resolve};
use crate::error::ErrorCode;
use crate::limits::{GATHER_DIVISOR, GATHER_FROM, GATHER_MAX, RETRY_PAUSE_MAX, RETRY_PAUSE_MIN};
use crate::store::record::{Record, Version};
use crate::store::{ETag, PutOutcome};

impl<T> Activation<T> {
    pub(super) fn stored(&mut self, put: PutOutcome, step: &mut Step<'_, T>) {
        let Some(live) = &mut self.live else { return };
        let Some(writing) = &mut live.in_flight_write else { return };
        match put {
            PutOutcome::Applied(etag) => live.committed(etag, step),
            PutOutcome::PreconditionFailed => step.push(Action::Reread(Duration::ZERO)),
            PutOutcome::Unknown(_) => step.push(Action::Resend(writing.next_pause())),
            // An earlier attempt may still take effect: only a write that was sent once is known not to be executed.
            PutOutcome::Rejected(_) | PutOutcome::Unavailable(_) if writing.attempts > 1 => {
                step.push(Action::Resend(writing.next_pause()));
            }
            PutOutcome::Rejected(why) | PutOutcome::Unavailable(why) => {
                let why = format!("the store rejected the write: {why}");
                live.discard_uncommitted(ErrorCode::StoreUnavailable, &why, step);
                self.close(Reason::StoreDenied);
            }
        }
    }

    pub(super) fn reread(&mut self, reread: ReloadOutcome, step: &mut Step<'_, T>) {
        let Some(live) = &mut self.live else { return };
        let Some(writing) = &mut live.in_flight_write else { return };
        let found = match reread {
            ReloadOutcome::Found(found) => found,
            ReloadOutcome::Failed(_) => return step.push(Action::Reread(writing.next_pause())),
            ReloadOutcome::Damaged(why) => {
                live.fail_as_unknown(&format!("its record is damaged: {why}"), step);
                return self.close(Reason::RecordDamaged);
            }
        };
        let record = found.as_ref().map(|(record, _)| record);
        match (resolve(writing.write, &writing.condition, record), found) {
            (Resolution::Committed, Some((_, etag))) => live.committed(etag, step),
            (Resolution::Committed, None) | (Resolution::Undecided, _) => {
                step.push(Action::Resend(writing.next_pause()));
            }
            (Resolution::CommittedThenFenced, _) => {
                live.committed_then_fenced(step);
                self.close(Reason::Fenced);
            }
            (Resolution::CannotTell, _) => {
                let why = "the record no longer shows it, because many later changes were made";
                live.fail_as_unknown(why, step);
                self.close(Reason::Fenced);
            }
            (Resolution::NotExecuted, found) => {
                let why = "another owner changed the object concurrently";
                live.discard_uncommitted(ErrorCode::CommitRefused, why, step);
                if step.has_lease() {
                    // This was a late write by a former owner. This node holds the claim, so it continues from that
                    // record.
                    live.reload(found.as_ref(), step);
                } else {
                    self.close(Reason::LeaseOver);
                }
            }
        }
    }

    fn close(&mut self, reason: Reason) {
        self.phase = Phase::Closing(reason);
    }
}

impl InFlightWrite {
    /// Returns the pause before the next attempt: exponential backoff, to which the task adds jitter.
    fn next_pause(&mut self) -> Duration {
        let doublings = self.attempts.saturating_sub(1).min(10);
        self.attempts = self.attempts.saturating_add(1);
        (RETRY_PAUSE_MIN * 2_u32.pow(doublings)).min(RETRY_PAUSE_MAX)
    }
}

impl<T> Live<T> {
    /// Records that the write is durable, and releases the answers that waited for it.
    fn committed(&mut self, etag: ETag, step: &mut Step<'_, T>) {
        let Some(writing) = self.in_flight_write.take() else { return };
        self.committed.version = writing.write.version;
        self.committed.epoch = writing.epoch;
        self.committed.etag = Some(etag);
        self.committed.recent = writing.recent;
        self.committed.faults = writing.faults;
        self.committed_effects(writing.effects, step);
        self.read_barrier.done(writing.proves);
        let before = self.pending_replies.len();
        self.release_due(step);
        let released = before - self.pending_replies.len();
        step.push(Action::Committed(released));
        let took = step.now().time.since(writing.began);
        let pause = (took / GATHER_DIVISOR).min(GATHER_MAX);
        self.batch_window = (took >= GATHER_FROM)
            .then_some(BatchWindow { until: step.now().time + pause, expected: before });
        if self.pending_replies.is_empty() {
            self.pending_replies.shrink_to_fit();
        }
    }

    /// The write succeeded, and another owner has committed after it: its changes are answered as done, all other
    /// calls as not executed.
    fn committed_then_fenced(&mut self, step: &mut Step<'_, T>) {
        let committed = self.in_flight_write.as_ref().map_or(0, |writing| writing.write.version);
        let is_done = |version: Version, is_change: bool| is_change && version <= committed;
        for waiting in self.pending_replies.extract_if(.., |w| is_done(w.version, w.is_change)) {
            step.answer(waiting.caller, waiting.answer);
        }
        self.discard_uncommitted(
            ErrorCode::CommitRefused,
            "another owner has taken over the object",
            step,
        );
    }

    /// The outcome of the write is unknown: its changes are answered as unknown, and everything after it as not
    /// executed.
    pub(super) fn fail_as_unknown(&mut self, why: &str, step: &mut Step<'_, T>) {
        let id = step.id();
        let sent = self.in_flight_write.as_ref().map_or(0, |writing| writing.write.version);
        for waiting in self.pending_replies.extract_if(.., |w| w.is_change && w.version <= sent) {
            step.answer(waiting.caller, unknown(id, why));
        }
        self.discard_uncommitted(ErrorCode::CommitRefused, why, step);
    }

    /// The write will never take effect: all changes that depended on it are discarded. Answers about changes that
    /// were committed earlier, and that waited only for a proof, are sent.
    pub(super) fn discard_uncommitted(
        &mut self,
        code: ErrorCode,
        why: &str,
        step: &mut Step<'_, T>,
    ) {
        let id = step.id();
        for waiting in self.pending_replies.drain(..) {
            if waiting.is_change && waiting.version <= self.committed.version {
                step.answer(waiting.caller, waiting.answer);
                continue;
            }
            let text = format!("the call to {id} was not executed: {why}");
            step.refuse(waiting.caller, code, text);
        }
        if let Some(running) = &mut self.running {
            running.is_stale = true;
        }
        self.in_flight_write = None;
        self.unpublished.retain(|change| change.version <= self.committed.version);
        self.upgrade.discard_uncommitted();
        self.current.version = self.committed.version;
        self.is_in_sync = false;
        step.push(Action::DropInstance);
    }

    /// Continues from the record that was found.
    pub(super) fn reload(&mut self, found: Option<&(Record, ETag)>, step: &mut Step<'_, T>) {
        let record = found.map(|(record, _)| record);
        self.idempotency = idempotency_cache(record);
        self.committed = committed_state(found, step.now());
        self.quarantine = Quarantine::new(&self.committed);
        self.current = Current {
            version: self.committed.version,
            state: record.and_then(|record| record.state.clone()),
            effects: self.committed.effects.clone(),
        };
        self.deliveries = Deliveries::default();
        self.epoch = self.epoch.max(self.committed.epoch + 1);
        self.announce_alarm(step);
    }
}
