//! Task that acts for one object: it performs the machine's actions and reports their results.
//!
//! At most one I/O operation and one guest call are in progress at a time; the two may overlap. The only decision
//! made here is the jitter of pauses between attempts of the same write.

mod io;
mod run;
mod running;

use std::sync::Arc;
use std::task::Poll;

use futures_util::future::BoxFuture;
use highlander_core::activation::protocol::{Action, Change, Delivery, Input};
use highlander_core::clock::BootTime;
use highlander_core::store::record::State;
use highlander_system::clock::{self, wall_ms};
use tokio::time::Instant;

use crate::activation::backoff::jittered;
use crate::activation::context::SessionContext;
use crate::activation::instance_cache::CachedInstance;
use crate::activation::outbound;
use crate::activation::slot::{ReplySender, Slot, SlotState};
use crate::catalog::Revision;
use io::{IoFinished, Sent};
use running::{Ending, Running};

/// Number of calls after which a task yields its thread.
const CALLS_IN_A_ROW_MAX: u32 = 32;

/// Result of a guest call.
struct Finished {
    event: Input<ReplySender>,
    resident: Option<CachedInstance>,
}

struct Driver {
    slot: Arc<Slot>,
    ctx: Arc<SessionContext>,
    /// Code of the current activation.
    revision: Option<Arc<Revision>>,
    /// Instance, while it is neither in use nor in the cache.
    resident: Option<CachedInstance>,
    running: Option<Running>,
    io: Option<BoxFuture<'static, IoFinished>>,
    /// Write in progress, kept so that it can be sent again unchanged.
    sent: Option<Sent>,
    activating_since: BootTime,
    calls_in_a_row: u32,
    /// Buffer for actions, reused between rounds.
    actions: Vec<Action<ReplySender>>,
}

/// Acts for `slot` until no work is left.
pub(super) async fn run(slot: Arc<Slot>, ctx: Arc<SessionContext>) {
    let mut task = Driver::new(slot, ctx);
    loop {
        task.perform_all();
        if task.is_done() {
            return;
        }
        task.wait().await;
    }
}

/// Sends an event to the object and starts its task if needed.
///
/// # Panics
/// Outside of a tokio runtime.
pub(super) fn send_event(slot: &Arc<Slot>, event: Input<ReplySender>, ctx: &Arc<SessionContext>) {
    let mut core = slot.lock();
    core.step(event, ctx.now(slot.id()));
    if wake_driver(slot, &mut core, BootTime::FOREVER) {
        drop(core);
        tokio::spawn(run(Arc::clone(slot), Arc::clone(ctx)));
    }
}

/// Notifies a running task if there are actions or if it must wake by `expiry`; returns whether a new task must be
/// started.
pub(super) fn wake_driver(slot: &Slot, core: &mut SlotState, expiry: BootTime) -> bool {
    let has_actions = !core.actions.is_empty();
    if core.has_task {
        if has_actions || expiry < core.wake_at {
            slot.wakeup.notify_one();
        }
        return false;
    }
    core.has_task = has_actions;
    has_actions
}

impl Driver {
    fn new(slot: Arc<Slot>, ctx: Arc<SessionContext>) -> Self {
        let revision = slot.lock().revision.clone();
        Self {
            slot,
            ctx,
            revision,
            resident: None,
            running: None,
            io: None,
            sent: None,
            activating_since: clock::now(),
            calls_in_a_row: 0,
            actions: Vec::new(),
        }
    }

    /// Performs all decided actions.
    fn perform_all(&mut self) {
        let mut actions = std::mem::take(&mut self.actions);
        loop {
            std::mem::swap(&mut self.slot.lock().actions, &mut actions);
            if actions.is_empty() {
                break;
            }
            for action in actions.drain(..) {
                self.perform(action);
            }
        }
        self.actions = actions;
    }

    fn perform(&mut self, action: Action<ReplySender>) {
        match action {
            Action::Answer(caller, answer) => {
                // The caller may have stopped waiting; the call has completed anyway.
                let _ = caller.send(answer);
            }
            Action::Run(run) => self.begin_run(run),
            Action::Probe(probe) => self.begin_probe(probe),
            Action::RevisionAccepted(code) => {
                self.ctx.catalog.revision_accepted(self.slot.id(), code.revision);
            }
            Action::RevisionPinned(code, why) => self.note_held_back(code.revision, why),
            Action::Quarantined(pause) => self.note_quarantine(pause),
            Action::DropInstance => {
                self.resident = None;
                self.ctx.instances.remove(self.slot.id());
            }
            Action::Committed(answers) => self.note_commit(answers),
            Action::Ended(reason) => self.note_end(reason),
            Action::Claim => {
                self.activating_since = clock::now();
                self.ctx.metrics.activations.inc();
                self.io = Some(self.claim());
            }
            Action::Load => self.io = Some(self.load()),
            Action::Write(record, condition, entry) => {
                self.io = Some(self.write(&record, condition, entry));
            }
            Action::Resend(pause) => self.io = Some(self.resend(pause)),
            Action::Reread(pause) => self.io = Some(self.reread(pause)),
            Action::VerifyRecord(pause) => self.io = Some(self.prove(pause)),
            Action::Deliver(delivery) => self.deliver(*delivery),
            Action::FindWaitPath(departure, callee) => {
                let (slot, ctx) = (Arc::clone(&self.slot), Arc::clone(&self.ctx));
                self.report(async move { outbound::follow(&slot, &ctx, departure, callee).await });
            }
            Action::Publish(change) => self.publish(change),
            Action::ScheduleAlarm(at_ms) => {
                self.ctx.alarm_timers.set(self.slot.id(), at_ms, wall_ms());
            }
            Action::DeleteWakeupEntry(wake) => self.forget(&wake),
            Action::Warn(text) => tracing::warn!(object = %self.slot.id(), "{text}"),
            Action::Release => {
                // Drops a call, read or write that was given up.
                self.slot.next_run();
                if self.running.take().is_some() {
                    self.ctx.probe_ended.notify_one();
                }
                self.io = Some(self.release());
            }
        }
    }

    /// Waits for the next event and steps the machine with it.
    async fn wait(&mut self) {
        // Polled first, so that a stream of calls cannot delay the answers of a commit.
        if let Some(io) = &mut self.io
            && let Poll::Ready(finished) = futures_util::poll!(io)
        {
            return self.done_io(finished);
        }
        if self.running.is_some() {
            // Most guest calls finish immediately: setting up the notification and the timer for them would be
            // wasteful.
            let (running, ctx, slot) = (&mut self.running, &self.ctx, &self.slot);
            if let Poll::Ready(finished) = futures_util::poll!(Ending { running, ctx, slot }) {
                self.ran(finished);
                return self.pause_now_and_then().await;
            }
        } else {
            self.keep_instance();
        }
        let wake_at = self.wake_at();
        let (running, ctx, slot) = (&mut self.running, &self.ctx, &self.slot);
        tokio::select! {
            biased;
            finished = next(&mut self.io), if self.io.is_some() => self.done_io(finished),
            finished = (Ending { running, ctx, slot }) => self.ran(finished),
            () = self.slot.wakeup.notified() => {}
            () = tokio::time::sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {
                self.step(Input::Wake);
            }
        }
    }

    /// Yields after a number of calls in a row, so that a busy object shares its thread.
    async fn pause_now_and_then(&mut self) {
        self.calls_in_a_row += 1;
        if self.calls_in_a_row >= CALLS_IN_A_ROW_MAX {
            self.calls_in_a_row = 0;
            tokio::task::yield_now().await;
        }
    }

    fn done_io(&mut self, finished: IoFinished) {
        self.io = None;
        if let Some(revision) = finished.revision {
            self.revision = Some(revision);
        }
        self.step(finished.event);
    }

    fn ran(&mut self, finished: Finished) {
        self.running = None;
        self.resident = finished.resident;
        let is_probe = matches!(finished.event, Input::Probed(..));
        self.step(finished.event);
        if is_probe {
            self.ctx.probe_ended.notify_one();
        }
    }

    /// Returns when the machine must wake. The time is also stored in the cell, so that a call with an earlier
    /// deadline notifies the task.
    fn wake_at(&self) -> Option<Instant> {
        let mut core = self.slot.lock();
        let wake_at = core.machine.next_wake(&self.ctx.settings);
        core.wake_at = wake_at.unwrap_or(BootTime::FOREVER);
        wake_at.map(|at| Instant::now() + at.since(clock::now()))
    }

    /// Does work beside the task, and sends its result to the object, which may have no task by then.
    fn report(&self, work: impl Future<Output = Option<Input<ReplySender>>> + Send + 'static) {
        let (slot, ctx) = (Arc::clone(&self.slot), Arc::clone(&self.ctx));
        tokio::spawn(async move {
            if let Some(event) = work.await {
                send_event(&slot, event, &ctx);
            }
        });
    }

    /// Delivers a message when the object's type has its turn, and after the pause that the delivery asks for.
    fn deliver(&self, delivery: Delivery) {
        let (slot, ctx) = (Arc::clone(&self.slot), Arc::clone(&self.ctx));
        let pause = delivery.pause;
        let work = async move {
            let event = outbound::deliver(&slot, &ctx, delivery).await;
            send_event(&slot, event, &ctx);
        };
        let (pump, id) = (Arc::clone(&self.ctx.deliveries), self.slot.id().clone());
        if pause.is_zero() {
            return pump.add(id.type_name(), work);
        }
        tokio::spawn(async move {
            tokio::time::sleep(jittered(pause)).await;
            pump.add(id.type_name(), work);
        });
    }

    /// Publishes a change to the object's subscribers.
    fn publish(&self, change: Change) {
        let Change { version, events, state } = change;
        let publish_state = |revision: &Arc<Revision>| revision.description.publish_state;
        let is_shown = self.revision.as_ref().is_some_and(publish_state);
        let state = State::shown(state.as_ref(), is_shown);
        let change = highlander_core::events::Change { version, events, state };
        self.ctx.hub.publish(self.slot.id(), change);
    }

    fn step(&self, event: Input<ReplySender>) {
        self.slot.lock().step(event, self.ctx.now(self.slot.id()));
    }

    /// Puts the unused instance into the cache, where it may be evicted.
    fn keep_instance(&mut self) {
        if let Some(resident) = self.resident.take() {
            self.ctx.instances.put(self.slot.id().clone(), resident);
        }
    }

    /// Whether the task may end. If it returns true, the next event starts a new task.
    fn is_done(&mut self) -> bool {
        if self.running.is_some() || self.io.is_some() {
            return false;
        }
        self.keep_instance();
        let mut core = self.slot.lock();
        let bytes = core.machine.state_bytes();
        self.ctx.states.count(&mut core.state_bytes, bytes);
        if !core.actions.is_empty() || core.machine.is_batching() || core.machine.is_owing() {
            return false;
        }
        core.has_task = false;
        // A warm object keeps no buffer for future actions.
        core.actions = Vec::new();
        core.revision = self.revision.take();
        if core.machine.is_cold() {
            core.is_removed = true;
            drop(core);
            self.ctx.table.remove(&self.slot);
        }
        true
    }
}

/// Resets the object if the task is dropped early, because it panicked or the runtime is shutting down.
///
/// The outcome of work in progress is unknown then, so the object starts from a fresh entry. The condition of its
/// next write keeps the history linear.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.running.is_none() && self.io.is_none() && !std::thread::panicking() {
            return;
        }
        self.slot.next_run();
        let mut core = self.slot.lock();
        self.ctx.states.count(&mut core.state_bytes, 0);
        *core = SlotState::new(self.slot.id().clone());
        core.is_removed = true;
        core.activations_ended += 1;
        drop(core);
        self.ctx.hub.ended(self.slot.id());
        self.ctx.table.remove(&self.slot);
        self.ctx.instances.remove(self.slot.id());
    }
}

async fn next<T>(slot: &mut Option<BoxFuture<'static, T>>) -> T {
    match slot {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
