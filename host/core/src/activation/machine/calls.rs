//! Calls of one object: those that wait in the mailbox, and the one that runs.
//!
//! Invariants: one call runs at a time (O1), and only this module and those below it start or end it. A call leaves
//! the mailbox to run, or with an answer.

mod begin;
mod errors;
mod fast_path;
mod outcome;

use super::Activation;
use super::effects::CallMeta;
use super::outbound::Outbound;
use super::replies::{LEASE_OVER, ReplyTo};
use super::step::Step;
use super::upgrade::Attempt;
use crate::activation::mailbox::Expired;
use crate::activation::protocol::Action;
use crate::activation::{Call, IdempotencyKey};
use crate::error::{Error, ErrorCode};
use crate::limits::AWAITING_COMMIT_MAX;

use errors::{mailbox_full, too_late};

/// Running call, and the instance that it runs in.
#[derive(Debug)]
pub(super) struct Execution<T> {
    running: Option<RunningCall<T>>,
    /// Whether the instance, if there is one, holds the newest state.
    is_in_sync: bool,
}

/// Running call.
#[derive(Debug)]
pub(super) struct RunningCall<T> {
    pub(super) reply_to: ReplyTo<T>,
    key: Option<IdempotencyKey>,
    /// Whether the state it runs on was never committed.
    is_stale: bool,
    /// Code that it runs with.
    pub(super) attempt: Attempt,
    /// Bookkeeping to record if the call changes the object.
    meta: CallMeta,
    /// Whether the call waits for another object, and the age of its chain once it has called one.
    pub(super) outbound: Outbound,
}

impl<T> Execution<T> {
    /// Returns the execution of an object that has no instance yet.
    pub(super) fn new() -> Self {
        Self { running: None, is_in_sync: false }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn running(&self) -> Option<&RunningCall<T>> {
        self.running.as_ref()
    }

    pub(super) fn running_mut(&mut self) -> Option<&mut RunningCall<T>> {
        self.running.as_mut()
    }

    /// Takes the running call, whose outcome is known or no longer awaited.
    pub(super) fn take(&mut self) -> Option<RunningCall<T>> {
        self.running.take()
    }

    /// Records that the state that the running call has read was discarded.
    pub(super) fn mark_stale(&mut self) {
        if let Some(running) = &mut self.running {
            running.is_stale = true;
        }
    }

    /// Records that there is another instance, and whether it holds the newest state.
    pub(super) fn instance_replaced(&mut self, is_in_sync: bool) {
        self.is_in_sync = is_in_sync;
    }

    /// Drops the instance, and with it the changes of the call.
    pub(super) fn drop_instance(&mut self, step: &mut Step<'_, T>) {
        self.is_in_sync = false;
        step.push(Action::DropInstance);
    }
}

impl<T> Activation<T> {
    /// Accepts a call, or rejects it if the object moves to another node or its mailbox is full.
    pub(super) fn offer(&mut self, call: Call, caller: T, step: &mut Step<'_, T>) {
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
    pub(super) fn expire(&mut self, step: &mut Step<'_, T>) {
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
    pub(super) fn begin_calls(&mut self, step: &mut Step<'_, T>) {
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
    pub(super) fn refuse_all(&mut self, code: ErrorCode, why: &str, step: &mut Step<'_, T>) {
        if !self.mailbox.is_empty() {
            self.refuse_all_with(&Error::new(code, format!("{}: {why}", step.id())), step);
        }
    }

    /// Answers every waiting call with a copy of this error.
    pub(super) fn refuse_all_with(&mut self, error: &Error, step: &mut Step<'_, T>) {
        while let Some(queued) = self.mailbox.take() {
            step.answer(queued.caller, Err(Box::new(error.clone())));
        }
    }
}
