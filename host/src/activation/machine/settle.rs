//! Processes the outcome of a write, according to the table "Write outcomes" in ARCHITECTURE.md.
//!
//! The activation owns the retries: an undecided write is sent again, byte for byte under the same condition, until
//! it is decided. It cannot apply twice, because the first success changes the ETag.

use std::time::Duration;

use super::dealing::Post;
use super::outcome::unknown;
use super::quarantine::Quarantine;
use super::{Gather, Head, Live, Machine, Phase, Writing, answered, base};
use crate::activation::commit::{Resolution, resolve};
use crate::activation::protocol::{Action, Now, Reread};
use crate::activation::{Reason, refuse};
use crate::error::Code;
use crate::id::ObjectId;
use crate::limits::{GATHER_DIVISOR, GATHER_FROM, GATHER_MAX, RETRY_PAUSE_MAX, RETRY_PAUSE_MIN};
use crate::store::record::{Record, Version};
use crate::store::{ETag, Put};

impl<T> Machine<T> {
    pub(super) fn stored(&mut self, put: Put, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        let Some(live) = &mut self.live else { return };
        let Some(writing) = &mut live.writing else { return };
        match put {
            Put::Applied(etag) => live.committed(etag, now, actions),
            Put::Refused => actions.push(Action::Reread(Duration::ZERO)),
            Put::Undecided(_) => actions.push(Action::Resend(writing.next_pause())),
            // An earlier attempt may still take effect: only a write that was sent once is known not to be executed.
            Put::Denied(_) | Put::Unavailable(_) if writing.attempts > 1 => {
                actions.push(Action::Resend(writing.next_pause()));
            }
            Put::Denied(why) | Put::Unavailable(why) => {
                let why = format!("the store rejected the write: {why}");
                live.undone(&self.id, Code::StoreUnavailable, &why, actions);
                self.close(Reason::StoreDenied);
            }
        }
    }

    pub(super) fn reread(&mut self, reread: Reread, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        let Some(live) = &mut self.live else { return };
        let Some(writing) = &mut live.writing else { return };
        let found = match reread {
            Reread::Found(found) => found,
            Reread::Failed(_) => return actions.push(Action::Reread(writing.next_pause())),
            Reread::Damaged(why) => {
                live.cannot_tell(&self.id, &format!("its record is damaged: {why}"), actions);
                return self.close(Reason::RecordDamaged);
            }
        };
        let record = found.as_ref().map(|(record, _)| record);
        match (resolve(writing.write, &writing.condition, record), found) {
            (Resolution::Committed, Some((_, etag))) => live.committed(etag, now, actions),
            (Resolution::Committed, None) | (Resolution::Undecided, _) => {
                actions.push(Action::Resend(writing.next_pause()));
            }
            (Resolution::CommittedThenFenced, _) => {
                live.committed_then_fenced(&self.id, actions);
                self.close(Reason::Fenced);
            }
            (Resolution::CannotTell, _) => {
                let why = "the record no longer shows it, because many later changes were made";
                live.cannot_tell(&self.id, why, actions);
                self.close(Reason::Fenced);
            }
            (Resolution::NotExecuted, found) => {
                let why = "another owner changed the object concurrently";
                live.undone(&self.id, Code::CommitRefused, why, actions);
                if now.has_lease() {
                    // This was a late write by a former owner. This node holds the claim, so it continues from that
                    // record.
                    live.reload(found.as_ref(), now, actions);
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

impl Writing {
    /// Returns the pause before the next attempt: exponential backoff, to which the task adds jitter.
    fn next_pause(&mut self) -> Duration {
        let doublings = self.attempts.saturating_sub(1).min(10);
        self.attempts = self.attempts.saturating_add(1);
        (RETRY_PAUSE_MIN * 2_u32.pow(doublings)).min(RETRY_PAUSE_MAX)
    }
}

impl<T> Live<T> {
    /// Records that the write is durable, and releases the answers that waited for it.
    fn committed(&mut self, etag: ETag, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        let Some(writing) = self.writing.take() else { return };
        self.base.version = writing.write.version;
        self.base.epoch = writing.epoch;
        self.base.etag = Some(etag);
        self.base.recent = writing.recent;
        self.base.faults = writing.faults;
        self.committed_dealings(writing.dealings, actions);
        self.proof.done(writing.proves);
        let before = self.waiting.len();
        self.release_due(now, actions);
        let released = before - self.waiting.len();
        actions.push(Action::Committed(released));
        let took = now.time.since(writing.began);
        let pause = (took / GATHER_DIVISOR).min(GATHER_MAX);
        self.gather =
            (took >= GATHER_FROM).then_some(Gather { until: now.time + pause, expected: before });
        if self.waiting.is_empty() {
            self.waiting.shrink_to_fit();
        }
    }

    /// The write succeeded, and another owner has committed after it: its changes are answered as done, all other
    /// calls as not executed.
    fn committed_then_fenced(&mut self, id: &ObjectId, actions: &mut Vec<Action<T>>) {
        let committed = self.writing.as_ref().map_or(0, |writing| writing.write.version);
        let is_done = |version: Version, is_change: bool| is_change && version <= committed;
        for waiting in self.waiting.extract_if(.., |w| is_done(w.version, w.is_change)) {
            actions.push(Action::Answer(waiting.caller, waiting.answer));
        }
        self.undone(id, Code::CommitRefused, "another owner has taken over the object", actions);
    }

    /// The outcome of the write is unknown: its changes are answered as unknown, and everything after it as not
    /// executed.
    pub(super) fn cannot_tell(&mut self, id: &ObjectId, why: &str, actions: &mut Vec<Action<T>>) {
        let sent = self.writing.as_ref().map_or(0, |writing| writing.write.version);
        for waiting in self.waiting.extract_if(.., |w| w.is_change && w.version <= sent) {
            actions.push(Action::Answer(waiting.caller, unknown(id, why)));
        }
        self.undone(id, Code::CommitRefused, why, actions);
    }

    /// The write will never take effect: all changes that depended on it are discarded. Answers about changes that
    /// were committed earlier, and that waited only for a proof, are sent.
    pub(super) fn undone(
        &mut self,
        id: &ObjectId,
        code: Code,
        why: &str,
        actions: &mut Vec<Action<T>>,
    ) {
        for waiting in self.waiting.drain(..) {
            if waiting.is_change && waiting.version <= self.base.version {
                actions.push(Action::Answer(waiting.caller, waiting.answer));
                continue;
            }
            let text = format!("the call to {id} was not executed: {why}");
            actions.push(Action::Answer(waiting.caller, refuse(code, text)));
        }
        if let Some(running) = &mut self.running {
            running.is_stale = true;
        }
        self.writing = None;
        self.unpublished.retain(|change| change.version <= self.base.version);
        self.swap.undone();
        self.head.version = self.base.version;
        self.is_in_sync = false;
        actions.push(Action::DropInstance);
    }

    /// Continues from the record that was found.
    pub(super) fn reload(
        &mut self,
        found: Option<&(Record, ETag)>,
        now: Now<'_>,
        actions: &mut Vec<Action<T>>,
    ) {
        let record = found.map(|(record, _)| record);
        self.answered = answered(record);
        self.base = base(found, now);
        self.quarantine = Quarantine::new(&self.base);
        self.head = Head {
            version: self.base.version,
            state: record.and_then(|record| record.state.clone()),
            dealings: self.base.dealings.clone(),
        };
        self.post = Post::default();
        self.epoch = self.epoch.max(self.base.epoch + 1);
        self.announce_alarm(actions);
    }
}
