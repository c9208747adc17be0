//! Behaviour of an activation past the lease, and the outcome of the answers that it still owes.
//!
//! Past the lease an activation is frozen: it starts nothing and answers nothing from memory. Answers to changes
//! whose commit was confirmed past the lease are held. If a heartbeat succeeds in the same session, the claim was
//! held throughout, and the answers leave. If the activation ends instead, they become "unknown", and changes never
//! sent to the store become "not executed".
//!
//! If the store is unavailable, an activation ends at once. A read, a write or a call in progress may take as long as
//! a request to the store, and the claim must not be held for that long.

use super::step::Step;
use super::{Activation, Live, PendingReply, Phase};
use crate::activation::Reason;
use crate::activation::protocol::{Action, Change};
use crate::error::ErrorCode;

pub(super) const STORE_SILENT: &str = "the store does not respond to this node";
const STORE_UNWRITABLE: &str = "the store accepts no writes from this node";

impl<T> Activation<T> {
    /// Ends the lease of the step if the claim is gone: the session's lease no longer covers this activation.
    pub(super) fn bound_lease(&self, step: &mut Step<'_, T>) {
        if matches!(self.phase, Phase::Closing(reason) if reason.is_dispossession()) {
            step.end_lease();
        }
    }
}

impl<T> Live<T> {
    /// Sends every answer that is due, but holds those to changes while the lease is over.
    pub(super) fn release_due(&mut self, step: &mut Step<'_, T>) {
        let has_lease = step.has_lease();
        let (committed, proven) = (self.committed.version, self.read_barrier.proven());
        let is_due = |waiting: &mut PendingReply<T>| {
            waiting.is_due(committed, proven) && (has_lease || !waiting.is_change)
        };
        // Published before the answers, so that a caller that receives a version finds its events published.
        if has_lease {
            let is_committed = |change: &mut Change| change.version <= committed;
            for change in self.unpublished.extract_if(.., is_committed) {
                step.push(Action::Publish(change));
            }
        }
        for waiting in self.pending_replies.extract_if(.., is_due) {
            step.push(waiting.released(step.now()));
        }
        self.has_held = !has_lease
            && self.pending_replies.iter().any(|waiting| waiting.is_due(committed, proven));
    }

    /// Sends the held answers once the lease is valid.
    pub(super) fn release_held(&mut self, step: &mut Step<'_, T>) {
        if self.has_held {
            self.release_due(step);
        }
    }

    /// Ends the activation without a valid lease: changes that were not sent will never be, and confirmed ones are
    /// answered as "unknown".
    ///
    /// Operations in progress are awaited, unless the store is unavailable. Then the activation ends as if this node
    /// had crashed.
    pub(super) fn give_up(&mut self, why: Reason, step: &mut Step<'_, T>) {
        match why {
            Reason::GivenUp => self.abandon(STORE_SILENT, step),
            Reason::Unwritable => self.abandon(STORE_UNWRITABLE, step),
            _ => {}
        }
        if self.running.is_some() || self.in_flight_write.is_some() {
            return;
        }
        let committed = self.committed.version;
        for waiting in self.pending_replies.extract_if(.., |waiting| waiting.version <= committed) {
            step.push(waiting.withheld());
        }
        self.has_held = false;
        if !self.pending_replies.is_empty() || self.current.version != committed {
            let why = "the claim of this node ended before the change was sent to the store";
            self.discard_uncommitted(ErrorCode::RegistryUnavailable, why, step);
        }
    }

    /// Abandons all operations in progress. A write may still take effect, so its callers receive "unknown". The
    /// condition on the next owner's write detects it. Other operations have no effect.
    fn abandon(&mut self, why: &str, step: &mut Step<'_, T>) {
        let id = step.id();
        let committed = self.committed.version;
        let is_answer =
            |waiting: &mut PendingReply<T>| !waiting.is_change && waiting.version <= committed;
        let unproven = self.pending_replies.extract_if(.., is_answer).map(|waiting| waiting.caller);
        for caller in unproven.chain(self.running.take().map(|running| running.caller)) {
            let text = format!("the call to {id} was not executed: {why}");
            step.refuse(caller, ErrorCode::StoreUnavailable, text);
        }
        self.upgrade.abandon();
        self.read_barrier.abandon();
        if self.in_flight_write.is_some() {
            self.fail_as_unknown(why, step);
        } else if self.current.version != committed {
            self.discard_uncommitted(ErrorCode::StoreUnavailable, why, step);
        }
    }

    pub(super) fn is_due(&self, waiting: &PendingReply<T>) -> bool {
        waiting.is_due(self.committed.version, self.read_barrier.proven())
    }
}
