//! One event as the machine processes it: the object, the time, and the actions produced so far.
//!
//! Invariants: the lease of a step can only end, and actions can only be appended.

use std::time::Duration;

use crate::activation::protocol::{Action, Now};
use crate::activation::{Answer, refuse};
use crate::clock::BootTime;
use crate::error::ErrorCode;
use crate::id::ObjectId;

/// Inputs and output of processing one event.
#[derive(Debug)]
pub(super) struct Step<'a, T> {
    id: &'a ObjectId,
    now: Now<'a>,
    actions: &'a mut Vec<Action<T>>,
}

impl<'a, T> Step<'a, T> {
    pub(super) fn new(id: &'a ObjectId, now: Now<'a>, actions: &'a mut Vec<Action<T>>) -> Self {
        Self { id, now, actions }
    }

    /// Returns the object.
    pub(super) fn id(&self) -> &'a ObjectId {
        self.id
    }

    /// Returns the time, the lease and the other inputs.
    pub(super) fn now(&self) -> Now<'a> {
        self.now
    }

    /// Whether this node may still trust its claim on the object.
    pub(super) fn has_lease(&self) -> bool {
        self.now.has_lease()
    }

    /// Ends the lease for this object: its claim is gone, so the session's lease no longer covers it.
    pub(super) fn end_lease(&mut self) {
        self.now.lease_until = BootTime::from_boot(Duration::ZERO);
    }

    /// Appends an action.
    pub(super) fn push(&mut self, action: Action<T>) {
        self.actions.push(action);
    }

    /// Appends an answer to a caller.
    pub(super) fn answer(&mut self, caller: T, answer: Answer) {
        self.push(Action::Answer(caller, answer));
    }

    /// Appends an error answer to a caller.
    pub(super) fn refuse(&mut self, caller: T, code: ErrorCode, message: impl Into<String>) {
        self.answer(caller, refuse(code, message));
    }
}
