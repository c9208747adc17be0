//! Processes the outcome of a write, according to the table "Write outcomes" in ARCHITECTURE.md.
//!
//! The activation owns the retries: an undecided write is sent again, byte for byte under the same condition, until
//! it is decided. It cannot apply twice, because the first success changes the ETag.

use std::sync::Arc;
use std::time::Duration;

use super::resolution::{Resolution, resolve};
use super::{Commit, InFlightWrite};
use crate::activation::Reason;
use crate::activation::machine::live::Live;
use crate::activation::machine::step::Step;
use crate::activation::protocol::{Action, ReloadOutcome};
use crate::error::ErrorCode;
use crate::store::record::Record;
use crate::store::record::effects::DurableEffects;
use crate::store::{ETag, PutOutcome};

impl<T> Live<T> {
    /// Processes the store's response to a write. Returns the reason if the activation must end.
    pub(in crate::activation::machine) fn write_finished(
        &mut self,
        put: PutOutcome,
        step: &mut Step<'_, T>,
    ) -> Option<Reason> {
        let writing = self.commit.in_flight.as_mut()?;
        match put {
            PutOutcome::Applied(etag) => self.committed(etag, step),
            PutOutcome::PreconditionFailed => step.push(Action::Reread(Duration::ZERO)),
            PutOutcome::Unknown(_) => step.push(Action::Resend(writing.next_pause())),
            // An earlier attempt may still take effect: only a write that was sent once is known not to be executed.
            PutOutcome::Rejected(_) | PutOutcome::Unavailable(_) if writing.attempts > 1 => {
                step.push(Action::Resend(writing.next_pause()));
            }
            PutOutcome::Rejected(why) | PutOutcome::Unavailable(why) => {
                let why = format!("the store rejected the write: {why}");
                self.discard_uncommitted(ErrorCode::StoreUnavailable, &why, step);
                return Some(Reason::StoreDenied);
            }
        }
        None
    }

    /// Resolves a write whose precondition failed. Returns the reason if the activation must end.
    pub(in crate::activation::machine) fn reread(
        &mut self,
        reread: ReloadOutcome,
        step: &mut Step<'_, T>,
    ) -> Option<Reason> {
        let writing = self.commit.in_flight.as_mut()?;
        let found = match reread {
            ReloadOutcome::Found(found) => found,
            ReloadOutcome::Failed(_) => {
                step.push(Action::Reread(writing.next_pause()));
                return None;
            }
            ReloadOutcome::Damaged(why) => {
                self.fail_as_unknown(&format!("its record is damaged: {why}"), step);
                return Some(Reason::RecordDamaged);
            }
        };
        let record = found.as_ref().map(|(record, _)| record);
        match (resolve(writing.write, &writing.condition, record), found) {
            (Resolution::Committed, Some((_, etag))) => self.committed(etag, step),
            (Resolution::Committed, None) | (Resolution::Undecided, _) => {
                step.push(Action::Resend(writing.next_pause()));
            }
            (Resolution::CommittedThenFenced, _) => {
                self.committed_then_fenced(step);
                return Some(Reason::Fenced);
            }
            (Resolution::CannotTell, _) => {
                let why = "the record no longer shows it, because many later changes were made";
                self.fail_as_unknown(why, step);
                return Some(Reason::Fenced);
            }
            (Resolution::NotExecuted, found) => {
                let why = "another owner changed the object concurrently";
                self.discard_uncommitted(ErrorCode::CommitRefused, why, step);
                // This was a late write by a former owner.
                return self.continue_from(found.as_ref(), step);
            }
        }
        None
    }

    /// Records that the write is durable, and releases the answers that waited for it.
    fn committed(&mut self, etag: ETag, step: &mut Step<'_, T>) {
        let Some(writing) = self.commit.in_flight.take() else { return };
        let (began, proves) = (writing.began, writing.proves);
        let replaced = self.commit.apply(writing, etag);
        self.effects.committed(replaced.as_ref(), &self.commit, step);
        self.read_barrier.done(proves);
        let before = self.replies.len();
        self.release_due(step);
        step.push(Action::Committed(before - self.replies.len()));
        self.commit.open_batch(began, before, step.now().time);
        self.replies.shrink_if_empty();
    }

    /// The write succeeded, and another owner has committed after it: its changes are answered as done, all other
    /// calls as not executed.
    fn committed_then_fenced(&mut self, step: &mut Step<'_, T>) {
        let committed = self.commit.in_flight().map_or(0, |write| write.version);
        self.replies.confirm_changes(committed, step);
        let why = "another owner has taken over the object";
        self.discard_uncommitted(ErrorCode::CommitRefused, why, step);
    }

    /// The outcome of the write is unknown: its changes are answered as unknown, and everything after it as not
    /// executed.
    pub(in crate::activation::machine) fn fail_as_unknown(
        &mut self,
        why: &str,
        step: &mut Step<'_, T>,
    ) {
        let sent = self.commit.in_flight().map_or(0, |write| write.version);
        self.replies.report_unknown(sent, why, step);
        self.discard_uncommitted(ErrorCode::CommitRefused, why, step);
    }

    /// The write will never take effect: all changes that depended on it are discarded. Answers about changes that
    /// were committed earlier, and that waited only for a proof, are sent.
    pub(in crate::activation::machine) fn discard_uncommitted(
        &mut self,
        code: ErrorCode,
        why: &str,
        step: &mut Step<'_, T>,
    ) {
        self.replies.fail_all(&self.commit, code, why, step);
        self.execution.mark_stale();
        self.commit.in_flight = None;
        self.current.discard_uncommitted(&self.commit);
        self.upgrade.discard_uncommitted();
        self.execution.drop_instance(step);
    }

    /// Continues from a record that another owner wrote: within the lease, this node still holds the claim. Returns
    /// the reason if the activation must end instead.
    pub(in crate::activation::machine) fn continue_from(
        &mut self,
        found: Option<&(Record, ETag)>,
        step: &mut Step<'_, T>,
    ) -> Option<Reason> {
        if !step.has_lease() {
            return Some(Reason::LeaseOver);
        }
        self.commit.reload(found, step.now());
        self.reload_parts(found.map(|(record, _)| record));
        self.effects.schedule_alarm(&self.commit, step);
        None
    }
}

impl Commit {
    /// Makes the record of a successful write the committed one. Returns the effects that it replaces.
    fn apply(&mut self, writing: InFlightWrite, etag: ETag) -> Option<Arc<DurableEffects>> {
        self.committed.version = writing.write.version;
        self.committed.epoch = writing.epoch;
        self.committed.etag = Some(etag);
        self.committed.recent = writing.recent;
        self.committed.faults = writing.faults;
        std::mem::replace(&mut self.committed.effects, writing.effects)
    }
}
