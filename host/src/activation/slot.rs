//! Entry of one object in the table: its machine behind a lock, and the notification for its task.
//!
//! An object has at most one task, and a warm object has none: see [`super::dispatch`] and [`super::driver`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use highlander_core::activation::Answer;
use highlander_core::activation::machine::{Machine, ObjectStatus};
use highlander_core::activation::protocol::{Action, Input, Now, Run};
use highlander_core::clock::BootTime;
use highlander_core::id::ObjectId;
use highlander_system::clock;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};

use crate::catalog::Revision;

/// Reply channel of a call.
pub type ReplySender = oneshot::Sender<Answer>;

/// Entry of one object.
#[derive(Debug)]
pub struct Slot {
    id: ObjectId,
    core: Mutex<SlotState>,
    /// Notified when the task has new work.
    pub(super) wakeup: Notify,
    /// Number of the newest run of a handler. Only the task changes it.
    run: AtomicU64,
}

/// State of an entry, protected by its lock.
#[derive(Debug)]
pub(super) struct SlotState {
    pub(super) machine: Machine<ReplySender>,
    /// Actions decided but not yet performed.
    pub(super) actions: Vec<Action<ReplySender>>,
    /// Code of the current activation, while no task holds it.
    pub(super) revision: Option<Arc<Revision>>,
    /// Time at which the task will wake without a notification.
    pub(super) wake_at: BootTime,
    /// Whether a task acts for the object.
    pub(super) has_task: bool,
    /// Whether the entry was removed from the table; no work may start here any more.
    pub(super) is_removed: bool,
    /// Number of activations that have ended here.
    pub(super) activations_ended: u64,
    /// Time of the last call.
    pub(super) last_used: BootTime,
    /// Bytes of the state that are counted in the memory of the node.
    pub(super) state_bytes: usize,
}

impl SlotState {
    pub(super) fn new(id: ObjectId) -> Self {
        Self {
            machine: Machine::new(id),
            actions: Vec::new(),
            revision: None,
            wake_at: BootTime::FOREVER,
            has_task: false,
            is_removed: false,
            activations_ended: 0,
            last_used: clock::now(),
            state_bytes: 0,
        }
    }

    /// Steps the machine.
    pub(super) fn step(&mut self, event: Input<ReplySender>, now: Now<'_>) {
        self.machine.step(event, now, &mut self.actions);
    }
}

/// Run of a handler, and its number among the runs of the object.
#[derive(Debug)]
pub(super) struct NumberedRun {
    pub(super) number: u64,
    pub(super) run: Run,
}

impl Slot {
    /// Returns the entry of an object that has received no calls yet.
    #[must_use]
    pub fn new(id: ObjectId) -> Self {
        let core = Mutex::new(SlotState::new(id.clone()));
        Self { core, id, wakeup: Notify::new(), run: AtomicU64::new(0) }
    }

    /// Returns the object's id.
    #[must_use]
    pub fn id(&self) -> &ObjectId {
        &self.id
    }

    /// Whether the object has received no calls for `idle` and has no work in progress.
    #[must_use]
    pub fn is_idle_since(&self, idle: Duration) -> bool {
        let core = self.lock();
        core.machine.is_idle() && clock::now().since(core.last_used) >= idle
    }

    /// Returns the object's position, while it is live.
    #[must_use]
    pub fn status(&self) -> Option<ObjectStatus> {
        self.lock().machine.status()
    }

    /// Whether a revision is being probed on the object without a call.
    #[must_use]
    pub fn is_probing(&self) -> bool {
        self.lock().machine.is_probing()
    }

    /// Returns the number of activations that have ended in this entry. It changes once the current one has released
    /// its claim.
    #[must_use]
    pub fn activations_ended(&self) -> u64 {
        self.lock().activations_ended
    }

    /// Whether the object holds no claim and no calls wait.
    #[must_use]
    pub fn is_cold(&self) -> bool {
        self.lock().machine.is_cold()
    }

    /// Begins a run: it gets the next number.
    pub(super) fn number(&self, run: Run) -> NumberedRun {
        NumberedRun { number: self.next_run(), run }
    }

    /// Returns the number of the next run. From now on, earlier ones no longer reach the machine: the call that was
    /// dropped may still run its last slice on another thread.
    pub(super) fn next_run(&self) -> u64 {
        self.run.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Steps the machine with an event from the run of this number, unless it was dropped. The task performs the
    /// actions.
    pub(super) fn step_in_run(&self, run: u64, event: Input<ReplySender>, now: Now<'_>) {
        let mut core = self.lock();
        if self.run.load(Ordering::SeqCst) != run {
            return;
        }
        core.step(event, now);
        if !core.actions.is_empty() {
            self.wakeup.notify_one();
        }
    }

    /// Locks the state. After a panic it is consistent, because the drop guard of the task resets the machine.
    pub(super) fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.core.lock()
    }
}
