//! An object's entry in the table: its machine behind a lock, and the bell of its task.
//!
//! An object has at most one task, and a warm one has none: see [`super::offer`] and [`super::task`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::Answer;
use super::machine::{Machine, Position};
use super::protocol::{Action, Event, Now};
use crate::catalog::Revision;
use crate::clock::BootTime;
use crate::id::ObjectId;

/// Whom a machine answers to.
pub type Caller = oneshot::Sender<Answer>;

/// One object's entry.
#[derive(Debug)]
pub struct Cell {
    id: ObjectId,
    core: Mutex<Core>,
    /// Rung when the task has something new to look at.
    pub(super) bell: Notify,
}

/// What an entry holds under its lock.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) machine: Machine<Caller>,
    /// Decided, and not yet done.
    pub(super) actions: Vec<Action<Caller>>,
    /// The code of the present activation, while no task holds it.
    pub(super) revision: Option<Arc<Revision>>,
    /// When the task wakes by itself.
    pub(super) wake_at: BootTime,
    /// Whether a task acts for the object.
    pub(super) is_driven: bool,
    /// Whether the entry was taken out of the table: nothing may be begun here any more.
    pub(super) is_gone: bool,
    /// How many activations have ended here.
    pub(super) ended: u64,
    /// When it was called last.
    pub(super) last_used: BootTime,
}

impl Core {
    pub(super) fn new(id: ObjectId) -> Self {
        Self {
            machine: Machine::new(id),
            actions: Vec::new(),
            revision: None,
            wake_at: BootTime::FOREVER,
            is_driven: false,
            is_gone: false,
            ended: 0,
            last_used: BootTime::now(),
        }
    }

    /// Steps the machine.
    pub(super) fn step(&mut self, event: Event<Caller>, now: Now<'_>) {
        self.machine.step(event, now, &mut self.actions);
    }
}

impl Cell {
    /// The entry of an object that nobody has called yet.
    #[must_use]
    pub fn new(id: ObjectId) -> Self {
        Self { core: Mutex::new(Core::new(id.clone())), id, bell: Notify::new() }
    }

    /// Whose entry it is.
    #[must_use]
    pub fn id(&self) -> &ObjectId {
        &self.id
    }

    /// Whether nobody has called for `idle`, and nothing is under way.
    #[must_use]
    pub fn is_idle_since(&self, idle: Duration) -> bool {
        let core = self.lock();
        core.machine.is_idle() && BootTime::now().since(core.last_used) >= idle
    }

    /// Where the object stands, while it is live.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.lock().machine.position()
    }

    /// Whether a revision is being tried on it without a call.
    #[must_use]
    pub fn is_probing(&self) -> bool {
        self.lock().machine.is_probing()
    }

    /// How many activations have ended in this entry: it changes when the present one has given its claim back.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.lock().ended
    }

    /// Whether nothing is claimed for it and nothing waits.
    #[must_use]
    pub fn is_cold(&self) -> bool {
        self.lock().machine.is_cold()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic of a task is caught by its own guard, which starts the machine anew.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
