//! What an activation may do past the lease, and what becomes of the answers it owes then.
//!
//! Past the lease an activation is frozen: it begins nothing, and what it has in memory it keeps to itself. Answers to
//! changes whose commit was confirmed meanwhile are held: if a heartbeat commits in the same session, the claim was
//! held all the time, and they may leave. If the activation ends instead, they end as "unknown", and what was never
//! sent to the store ends as "not executed".

use std::time::Duration;

use super::{Live, Machine, Phase, Waiting};
use crate::activation::Reason;
use crate::activation::protocol::{Action, Change, Now};
use crate::clock::BootTime;
use crate::error::Code;
use crate::id::ObjectId;

impl<T> Machine<T> {
    /// The time as this activation may see it: once its claim is gone, the lease says nothing for it any more.
    pub(super) fn trusting<'a>(&self, now: Now<'a>) -> Now<'a> {
        match self.phase {
            Phase::Closing(reason) if reason.is_dispossession() => {
                Now { lease_until: BootTime::from_boot(Duration::ZERO), ..now }
            }
            _ => now,
        }
    }

    /// Whether something waits that goes on when the lease holds again.
    #[must_use]
    pub fn is_owing(&self) -> bool {
        self.live.as_ref().is_some_and(|live| !live.waiting.is_empty())
    }
}

impl<T> Live<T> {
    /// Gives every answer that is due, but holds those to changes while the lease is over.
    pub(super) fn release_due(&mut self, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        let has_lease = now.has_lease();
        let (committed, proven) = (self.base.version, self.proof.proven());
        let is_due = |waiting: &mut Waiting<T>| {
            waiting.is_due(committed, proven) && (has_lease || !waiting.is_change)
        };
        // First, so that whoever is told a version finds its events told.
        if has_lease {
            let is_committed = |change: &mut Change| change.version <= committed;
            actions.extend(self.unpublished.extract_if(.., is_committed).map(Action::Publish));
        }
        for waiting in self.waiting.extract_if(.., is_due) {
            actions.push(waiting.released(now));
        }
        self.has_held =
            !has_lease && self.waiting.iter().any(|waiting| waiting.is_due(committed, proven));
    }

    /// Gives the answers that were held, now that the lease holds.
    pub(super) fn release_held(&mut self, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        if self.has_held {
            self.release_due(now, actions);
        }
    }

    /// The activation ends without being trusted again: what was not sent will not be, what was confirmed is told as
    /// "unknown". A write under way is waited for, unless the store is out of reach: then it is as if this node had
    /// crashed, and its callers are told "unknown".
    pub(super) fn give_up(&mut self, id: &ObjectId, why: Reason, actions: &mut Vec<Action<T>>) {
        if self.running.is_some() || (self.writing.is_some() && why != Reason::GivenUp) {
            return;
        }
        if self.writing.is_some() {
            self.cannot_tell(id, "the store does not answer this node", actions);
        }
        let committed = self.base.version;
        for waiting in self.waiting.extract_if(.., |waiting| waiting.version <= committed) {
            actions.push(waiting.withheld());
        }
        self.has_held = false;
        if !self.waiting.is_empty() || self.head.version != committed {
            let why = "the claim of this node ended before the change was sent to the store";
            self.undone(id, Code::RegistryUnavailable, why, actions);
        }
    }

    pub(super) fn is_due(&self, waiting: &Waiting<T>) -> bool {
        waiting.is_due(self.base.version, self.proof.proven())
    }
}
