//! Calls that wait for their turn: accepted, rejected, expired, and taken from the mailbox one by one.

use super::errors::{mailbox_full, too_late};
use crate::activation::Call;
use crate::activation::machine::activation::Activation;
use crate::activation::machine::replies::LEASE_OVER;
use crate::activation::machine::step::Step;
use crate::activation::mailbox::Expired;
use crate::error::{Error, ErrorCode};
use crate::limits::AWAITING_COMMIT_MAX;

impl<T> Activation<T> {
    /// Accepts a call, or rejects it if the object moves to another node or its mailbox is full.
    pub(in crate::activation::machine) fn offer(
        &mut self,
        call: Call,
        caller: T,
        step: &mut Step<'_, T>,
    ) {
        if let Some((code, why)) = self.lifecycle.rejects_calls() {
            return step.refuse(caller, code, format!("{}: {why}", step.id()));
        }
        let now = step.now();
        let len_max = now.settings.mailbox_len;
        if let Some(caller) = self.mailbox.offer(call, caller, now.time, len_max) {
            step.answer(caller, mailbox_full(step.id(), len_max));
        }
    }

    /// Answers the calls whose time has run out.
    pub(in crate::activation::machine) fn expire(&mut self, step: &mut Step<'_, T>) {
        let now = step.now();
        let len_max = now.settings.mailbox_len;
        for (caller, expired) in self.mailbox.expire(now.time, len_max) {
            let answer = match expired {
                Expired::Full => mailbox_full(step.id(), len_max),
                Expired::Deadline => too_late(step.id()),
            };
            step.answer(caller, answer);
        }
        self.probe_wait_path(step);
        if let Some(live) = &mut self.live {
            live.commit.expire_batch(now.time);
            live.replies.expire(step);
        }
    }

    /// Runs the next call, and answers calls before it that need no run.
    pub(in crate::activation::machine) fn begin_calls(&mut self, step: &mut Step<'_, T>) {
        // Frozen: this node may still hold its claims, and the next heartbeat will show whether it does.
        if !step.has_lease() {
            return self.refuse_all(ErrorCode::RegistryUnavailable, LEASE_OVER, step);
        }
        let Some(live) = &mut self.live else { return };
        while !live.execution.is_running()
            && !live.upgrade.is_probing()
            && live.replies.len() < AWAITING_COMMIT_MAX
        {
            let Some(queued) = self.mailbox.take() else { break };
            live.begin_call(queued, step);
        }
    }

    /// Answers every waiting call with the same error.
    pub(in crate::activation::machine) fn refuse_all(
        &mut self,
        code: ErrorCode,
        why: &str,
        step: &mut Step<'_, T>,
    ) {
        if !self.mailbox.is_empty() {
            self.refuse_all_with(&Error::new(code, format!("{}: {why}", step.id())), step);
        }
    }

    /// Answers every waiting call with a copy of this error.
    pub(in crate::activation::machine) fn refuse_all_with(
        &mut self,
        error: &Error,
        step: &mut Step<'_, T>,
    ) {
        while let Some(queued) = self.mailbox.take() {
            step.answer(queued.caller, Err(Box::new(error.clone())));
        }
    }
}
