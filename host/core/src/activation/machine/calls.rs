//! Calls of one object: those that wait in the mailbox, and the one that runs.
//!
//! Invariants: one call runs at a time (O1), and only this module and those below it start or end it. A call leaves
//! the mailbox to run, or with an answer.

mod begin;
mod errors;
mod fast_path;
mod outcome;
mod queue;

use super::effects::CallMeta;
use super::outbound::Outbound;
use super::replies::ReplyTo;
use super::step::Step;
use super::upgrade::Attempt;
use crate::activation::IdempotencyKey;
use crate::activation::protocol::Action;

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
    attempt: Attempt,
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

impl<T> RunningCall<T> {
    /// Takes the code that the call ran with. Effects on other objects cannot be reverted, so a call that has called
    /// any counts as settled: it must not run twice.
    fn take_attempt(&mut self) -> Attempt {
        match std::mem::replace(&mut self.attempt, Attempt::Settled) {
            Attempt::New(_) if self.outbound.has_departed() => Attempt::Settled,
            attempt => attempt,
        }
    }
}
