//! Behaviour of an activation past the lease, and the outcome of the answers that it still owes.
//!
//! Past the lease an activation is frozen: it starts nothing and answers nothing from memory. Answers to changes
//! whose commit was confirmed past the lease are held. If a heartbeat succeeds in the same session, the claim was
//! held throughout, and the answers leave. If the activation ends instead, they become "unknown", and changes never
//! sent to the store become "not executed".
//!
//! If the store is unavailable, an activation ends at once. A read, a write or a call in progress may take as long as
//! a request to the store, and the claim must not be held for that long.

use super::live::Live;
use super::replies::{STORE_SILENT, refuse_unexecuted};
use super::step::Step;
use crate::activation::Reason;
use crate::error::ErrorCode;

const STORE_UNWRITABLE: &str = "the store accepts no writes from this node";

impl<T> Live<T> {
    /// Sends every answer that is due, but holds those to changes while the lease is over.
    pub(super) fn release_due(&mut self, step: &mut Step<'_, T>) {
        // Published before the answers, so that a caller that receives a version finds its events published.
        if step.has_lease() {
            self.current.publish_committed(&self.commit, step);
        }
        self.replies.release_due(&self.commit, &self.read_barrier, step);
    }

    /// Sends the held answers once the lease is valid.
    pub(super) fn release_held(&mut self, step: &mut Step<'_, T>) {
        if self.replies.has_held() {
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
        if self.execution.is_running() || self.commit.is_writing() {
            return;
        }
        self.replies.withhold_committed(&self.commit, step);
        if !self.replies.is_empty() || self.has_uncommitted() {
            let why = "the claim of this node ended before the change was sent to the store";
            self.discard_uncommitted(ErrorCode::RegistryUnavailable, why, step);
        }
    }

    /// Abandons all operations in progress. A write may still take effect, so its callers receive "unknown". The
    /// condition on the next owner's write detects it. Other operations have no effect.
    fn abandon(&mut self, why: &str, step: &mut Step<'_, T>) {
        self.replies.fail_unproven(&self.commit, ErrorCode::StoreUnavailable, why, step);
        if let Some(running) = self.execution.take() {
            refuse_unexecuted(running.reply_to.caller, ErrorCode::StoreUnavailable, why, step);
        }
        self.upgrade.abandon();
        self.read_barrier.abandon();
        if self.commit.is_writing() {
            self.fail_as_unknown(why, step);
        } else if self.has_uncommitted() {
            self.discard_uncommitted(ErrorCode::StoreUnavailable, why, step);
        }
    }
}
