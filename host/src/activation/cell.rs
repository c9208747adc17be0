//! An object's entry in the table: its machine behind a lock, and the bell of its task.
//!
//! Whoever brings an event steps the machine and leaves the actions here. If no task acts for the object, one is
//! begun; it ends as soon as there is nothing left to do. So an object has at most one task, and a warm one has none.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::machine::{Machine, Position};
use super::protocol::{Action, Event, Now};
use super::task::{Surroundings, drive};
use super::{Answer, Call, Reason};
use crate::catalog::Revision;
use crate::clock::BootTime;
use crate::id::ObjectId;
use crate::limits::LOBBY_WAIT;
use crate::store::record::WriteId;

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
    last_used: BootTime,
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
    pub(super) fn step(&mut self, event: Event<Caller>, around: &Surroundings) {
        let now = Now {
            time: BootTime::now(),
            lease_until: around.registry.lease_until(),
            write_id: WriteId::random(),
            settings: &around.settings,
        };
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

    /// Brings a call to the object; the answer comes through `caller`.
    ///
    /// Gives both back where the entry is no longer in the table: look there again.
    ///
    /// # Cancel safety
    /// Once polled, the call runs to its end whether anybody waits for the answer or not.
    pub async fn offer(
        self: &Arc<Self>,
        call: Call,
        caller: Caller,
        around: &Arc<Surroundings>,
    ) -> Option<(Call, Caller)> {
        let must_begin = {
            let mut core = self.lock();
            if core.is_gone {
                return Some((call, caller));
            }
            let deadline = call.deadline;
            around.metrics.mailbox_length.observe(core.machine.mailbox_len() as f64);
            core.step(Event::Call(call, caller), around);
            core.last_used = BootTime::now();
            self.rouse(&mut core, deadline, around)
        };
        if must_begin {
            self.begin(around).await;
        }
        None
    }

    /// Asks the activation to end for this reason, after what is under way. Nothing happens where none is live.
    pub fn deactivate(self: &Arc<Self>, reason: Reason, around: &Arc<Surroundings>) {
        let mut core = self.lock();
        core.step(Event::Deactivate(reason), around);
        if self.rouse(&mut core, BootTime::FOREVER, around) {
            drop(core);
            tokio::spawn(drive(Arc::clone(self), Arc::clone(around)));
        }
    }

    /// Ends the activation if nobody has called for `idle_timeout`.
    pub fn deactivate_if_idle(self: &Arc<Self>, idle: Duration, around: &Arc<Surroundings>) {
        if self.is_idle_since(idle) {
            self.deactivate(Reason::Idle, around);
        }
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

    /// How many activations have ended in this entry: it changes when the present one has given its claim back.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.lock().ended
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic of a task is caught by its own guard, which starts the machine anew.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rings for the task if it has to look; says whether one must be begun.
    fn rouse(&self, core: &mut Core, deadline: BootTime, around: &Surroundings) -> bool {
        if core.is_driven {
            let is_in_lobby = core.machine.mailbox_len() > around.settings.mailbox_len;
            let expiry = if is_in_lobby { BootTime::now() + LOBBY_WAIT } else { deadline };
            if !core.actions.is_empty() || expiry.min(deadline) < core.wake_at {
                self.bell.notify_one();
            }
            return false;
        }
        core.is_driven = !core.actions.is_empty();
        core.is_driven
    }

    /// Begins the object's task. Its first stretch runs here and now: most calls to a resident object are over at its
    /// end, and cost no change of tasks.
    async fn begin(self: &Arc<Self>, around: &Arc<Surroundings>) {
        let mut task = Box::pin(drive(Arc::clone(self), Arc::clone(around)));
        let first = |cx: &mut std::task::Context<'_>| Poll::Ready(Pin::new(&mut task).poll(cx));
        if std::future::poll_fn(first).await.is_pending() {
            tokio::spawn(task);
        }
    }
}
