//! Activation as a pure state machine: (state, event, now) → (state, actions).
//!
//! It decides when to claim, load, run, write, answer and release; the driver of the node performs these actions. It
//! has no I/O, clock or randomness; the caller passes their results in with events and [`Now`].
//!
//! The files are layers. From the bottom: [`step`]; one file for each concern, whose struct keeps its fields to itself
//! ([`commit`], [`effects`], [`read_barrier`] and so on); [`live`], which composes them; [`activation`], which passes
//! each event on. Decisions that need several concerns are below the concern whose fields they change, as in
//! `commit/outcome.rs`.
//!
//! Invariants: one call runs at a time (O1), nothing leaves before the commit it depends on (S5), outcomes are
//! definite or reported as unknown (S6), keyed calls take effect once (S7), and failed calls leave no trace (S8). A
//! claim is released only when no write is undecided and no answer is owed.

mod activation;
mod calls;
mod commit;
mod current;
mod effects;
mod lease;
mod lifecycle;
mod live;
mod outbound;
mod quarantine;
mod read_barrier;
mod replies;
#[cfg(test)]
mod simulation;
mod step;
#[cfg(test)]
mod tests;
mod upgrade;

use activation::Activation;
use live::Live;
use step::Step;

use super::protocol::{Action, Input, Now, Settings};
use crate::clock::BootTime;
use crate::id::ObjectId;
use crate::store::record::{Epoch, Version};

/// Position of a live activation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectStatus {
    /// Committed version.
    pub version: Version,
    /// Epoch of that version.
    pub epoch: Epoch,
    /// Revision that the next call runs.
    pub revision: u32,
    /// Revision whose code the object has adopted. It differs from `revision` if the object has read its state with a
    /// newer revision and has not been called since. If the newer revision fails on that call, the object continues
    /// with this one.
    pub own_revision: u32,
    /// Whether the object exists: it has been changed and is not deleted.
    pub exists: bool,
    /// Number of waiting calls.
    pub mailbox_len: usize,
    /// Object that the running call has called and waits for, if any.
    pub waits_for: Option<ObjectId>,
}

/// Machine of one object. `T` is the reply channel of a call.
#[derive(Debug)]
pub struct Machine<T> {
    id: ObjectId,
    activation: Activation<T>,
}

impl<T> Machine<T> {
    /// Returns the machine of an object that has received no calls yet.
    #[must_use]
    pub fn new(id: ObjectId) -> Self {
        Self { id, activation: Activation::new() }
    }

    /// Processes one event and appends the resulting actions to `actions`.
    pub fn step(&mut self, event: Input<T>, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        let step = &mut Step::new(&self.id, now, actions);
        self.activation.bound_lease(step);
        self.activation.process(event, step);
        self.activation.bound_lease(step);
        self.activation.advance(step);
    }

    /// Whether no claim is held and no calls wait, so that the machine can be dropped.
    #[must_use]
    pub fn is_cold(&self) -> bool {
        self.activation.lifecycle.is_cold() && self.activation.mailbox.is_empty()
    }

    /// Whether it is live and has no work.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.activation.lifecycle.is_live()
            && self.activation.mailbox.is_empty()
            && self.live().is_some_and(|live| live.is_settled() && !live.effects.is_delivering())
    }

    /// Whether a write is delayed briefly to gather more calls: it needs [`Input::Wake`] to start.
    #[must_use]
    pub fn is_batching(&self) -> bool {
        self.live().is_some_and(Live::is_batching)
    }

    /// Whether a revision is being probed without a call.
    #[must_use]
    pub fn is_probing(&self) -> bool {
        self.live().is_some_and(|live| live.upgrade.is_probing())
    }

    /// Whether answers wait that may continue once the lease is valid again.
    #[must_use]
    pub fn is_owing(&self) -> bool {
        self.live().is_some_and(|live| !live.replies.is_empty())
    }

    /// Whether this very message is being delivered. Checked before each attempt.
    #[must_use]
    pub fn is_bringing(&self, to: &ObjectId, number: u64) -> bool {
        self.live().is_some_and(|live| live.effects.is_delivering_to(to, number))
    }

    /// Returns the number of calls that wait to run.
    #[must_use]
    pub fn mailbox_len(&self) -> usize {
        self.activation.mailbox.len()
    }

    /// Returns the size of the state in bytes; zero if the object is not live or has none.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        let state = self.live().and_then(|live| live.current.state());
        state.map_or(0, |state| state.bytes.len())
    }

    /// Returns the revision that the next call of a live activation runs.
    #[must_use]
    pub fn revision(&self) -> Option<u32> {
        self.live().map(|live| live.upgrade.next_code().revision)
    }

    /// Returns the position of a live activation.
    #[must_use]
    pub fn status(&self) -> Option<ObjectStatus> {
        let live = self.live()?;
        Some(ObjectStatus {
            version: live.commit.version(),
            epoch: live.commit.epoch_of(live.commit.version()),
            revision: live.upgrade.next_code().revision,
            own_revision: live.upgrade.code().revision,
            exists: live.current.state().is_some(),
            mailbox_len: self.mailbox_len(),
            waits_for: self.activation.waits_for().cloned(),
        })
    }

    /// Returns when [`Input::Wake`] is due if no other event occurs first.
    #[must_use]
    pub fn next_wake(&self, settings: &Settings) -> Option<BootTime> {
        let waiting = self.live().and_then(|live| live.replies.next_deadline());
        let batch = self.live().filter(|live| live.is_batching());
        let batch = batch.and_then(|live| live.commit.batch_until());
        let mailbox = self.activation.mailbox.next_expiry(settings.mailbox_len);
        [waiting, batch, mailbox, self.next_wait_probe()].into_iter().flatten().min()
    }

    /// Returns when the next deadlock check is due: some time after a younger chain started to wait.
    #[must_use]
    pub fn next_wait_probe(&self) -> Option<BootTime> {
        self.activation.next_wait_probe()
    }

    fn live(&self) -> Option<&Live<T>> {
        self.activation.live.as_deref()
    }
}
