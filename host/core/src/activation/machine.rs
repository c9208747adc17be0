//! Activation as a pure state machine: (state, event, now) → (state, actions).
//!
//! It decides when to claim, load, run, write, answer and release; the node performs these actions. It has no I/O,
//! clock or randomness; the caller passes their results in with events and [`Now`].
//!
//! Invariants: one call runs at a time (O1), nothing leaves before the commit it depends on (S5), outcomes are
//! definite or reported as unknown (S6), keyed calls take effect once (S7), and failed calls leave no trace (S8). A
//! claim is released only when no write is undecided and no answer is owed.

mod calls;
mod commit;
mod dead_letters;
mod fast_path;
mod lease;
mod lifecycle;
mod outbound;
mod outbox;
mod quarantine;
mod read_barrier;
mod replies;
#[cfg(test)]
mod simulation;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use step::Step;

use state::{
    BatchWindow, Committed, Current, InFlightWrite, PendingReply, RunningCall, committed_state,
};

use super::idempotency::IdempotencyCache;
use super::mailbox::{Expired, Mailbox};
use super::protocol::{Action, Change, Input, Now, Settings};
use super::{Answer, Call, Reason, refuse};
use crate::clock::BootTime;
use crate::effects;
use crate::error::{Error, ErrorCode};
use crate::id::{CodeId, ObjectId};
use crate::store::record::{Epoch, Record, Version};

const LEASE_OVER: &str = "this node cannot reach the registry, and its lease is over";
const DEPARTING: &str = "it is being handed over to another node";

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

/// Phase of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No claim is held.
    Cold,
    /// The claim has been requested.
    Claiming,
    /// The record is being read.
    Loading,
    /// Calls are served.
    Live,
    /// No new work starts; the activation ends once everything is settled.
    Closing(Reason),
    /// The claim is being released.
    Releasing(Reason),
}

/// Machine of one object. `T` is the reply channel of a call.
#[derive(Debug)]
pub struct Machine<T> {
    id: ObjectId,
    activation: Activation<T>,
}

/// State of a machine: everything but the object's id, which each [`Step`] lends.
#[derive(Debug)]
struct Activation<T> {
    phase: Phase,
    mailbox: Mailbox<T>,
    /// Reason why no further calls are accepted while the waiting ones are served.
    leaving: Option<Reason>,
    /// Wanted code, if it was announced before the record was loaded.
    wanted: Option<CodeId>,
    live: Option<Box<Live<T>>>,
}

/// State of a live activation.
#[derive(Debug)]
struct Live<T> {
    code: CodeId,
    upgrade: upgrade::Upgrade,
    quarantine: quarantine::Quarantine,
    committed: Committed,
    current: Current,
    idempotency: IdempotencyCache,
    /// Epoch of this owner's commits: one above the epoch of the record that it loaded.
    epoch: Epoch,
    /// Whether the instance, if there is one, holds the state in `head`.
    is_in_sync: bool,
    running: Option<RunningCall<T>>,
    pending_replies: Vec<PendingReply<T>>,
    in_flight_write: Option<InFlightWrite>,
    batch_window: Option<BatchWindow>,
    read_barrier: read_barrier::ReadBarrier,
    /// Whether answers to committed changes wait for the lease to be valid again.
    has_held: bool,
    /// Changes not yet published to subscribers.
    unpublished: Vec<Change>,
    deliveries: outbox::Deliveries,
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
        self.activation.phase == Phase::Cold && self.activation.mailbox.is_empty()
    }

    /// Whether it is live and has no work.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.activation.phase == Phase::Live
            && self.activation.mailbox.is_empty()
            && self.live().is_some_and(|live| live.is_settled() && !live.is_delivering())
    }

    /// Whether a write is delayed briefly to gather more calls: it needs [`Input::Wake`] to start.
    #[must_use]
    pub fn is_batching(&self) -> bool {
        self.live().is_some_and(Live::is_gathering)
    }

    /// Whether a revision is being probed without a call.
    #[must_use]
    pub fn is_probing(&self) -> bool {
        self.live().is_some_and(|live| live.upgrade.is_probing())
    }

    /// Whether answers wait that may continue once the lease is valid again.
    #[must_use]
    pub fn is_owing(&self) -> bool {
        self.live().is_some_and(|live| !live.pending_replies.is_empty())
    }

    /// Whether this very message is being delivered. Checked before each attempt.
    #[must_use]
    pub fn is_bringing(&self, to: &ObjectId, number: u64) -> bool {
        self.live().is_some_and(|live| live.deliveries.contains(to, number))
    }

    /// Returns the number of calls that wait to run.
    #[must_use]
    pub fn mailbox_len(&self) -> usize {
        self.activation.mailbox.len()
    }

    /// Returns the position of a live activation.
    #[must_use]
    pub fn status(&self) -> Option<ObjectStatus> {
        let live = self.live()?;
        Some(ObjectStatus {
            version: live.committed.version,
            epoch: live.committed.epoch,
            revision: live.upgrade.proven().unwrap_or(&live.code).revision,
            own_revision: live.code.revision,
            exists: live.current.state.is_some(),
            mailbox_len: self.mailbox_len(),
            waits_for: self.activation.waits_for().cloned(),
        })
    }

    /// Returns when [`Input::Wake`] is due if no other event occurs first.
    #[must_use]
    pub fn next_wake(&self, settings: &Settings) -> Option<BootTime> {
        let waiting = self.live().into_iter().flat_map(|live| &live.pending_replies);
        let waiting = waiting.map(|waiting| waiting.deadline);
        let gather = self.live().filter(|live| live.is_gathering()).and_then(|l| l.batch_window);
        let timers = self.activation.mailbox.next_expiry(settings.mailbox_len).into_iter();
        let gather = gather.map(|gather| gather.until);
        waiting.chain(timers).chain(gather).chain(self.next_wait_probe()).min()
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

impl<T> Activation<T> {
    fn new() -> Self {
        Self {
            phase: Phase::Cold,
            mailbox: Mailbox::new(),
            leaving: None,
            wanted: None,
            live: None,
        }
    }

    /// Processes the event alone; [`Self::advance`] then starts what has become possible.
    fn process(&mut self, event: Input<T>, step: &mut Step<'_, T>) {
        match event {
            Input::Call(call, caller) => self.offer(call, caller, step),
            Input::Claimed(outcome) => self.claimed(outcome, step),
            Input::Loaded(Ok(loaded)) => self.loaded(loaded, step),
            Input::Loaded(Err(failure)) => self.load_failed(failure, step),
            Input::Ran(ran) => self.ran(ran, step),
            Input::WriteFinished(put) => self.stored(put, step),
            Input::Reread(reread) => self.reread(reread, step),
            Input::RecordVerified(reread) => self.proven(reread, step),
            Input::Released => self.released(step),
            Input::RevisionWanted(code) => self.want(code),
            Input::Probe => self.probe(step),
            Input::Probed(code, probed) => self.probed(code, probed, step),
            Input::OutboundStarted(age, to, caller) => self.departing(age, to, caller, step),
            Input::OutboundFinished => self.returned(),
            Input::WaitPathFound(departure, path) => self.followed(departure, &path, step),
            Input::Delivered(to, number, delivered) => self.delivered(&to, number, delivered, step),
            Input::Deactivate(reason) => self.deactivate(reason, step),
            Input::Wake => self.expire(step),
        }
    }

    fn offer(&mut self, call: Call, caller: T, step: &mut Step<'_, T>) {
        if let Some((code, why)) = self.turns_away() {
            let answer = refuse(code, format!("{}: {why}", step.id()));
            return step.answer(caller, answer);
        }
        let len_max = step.now().settings.mailbox_len;
        if let Some(caller) = self.mailbox.offer(call, caller, step.now().time, len_max) {
            step.answer(caller, mailbox_full(step.id(), len_max));
        }
    }

    /// Answers the calls whose time has run out.
    fn expire(&mut self, step: &mut Step<'_, T>) {
        let len_max = step.now().settings.mailbox_len;
        for (caller, expired) in self.mailbox.expire(step.now().time, len_max) {
            let answer = match expired {
                Expired::Full => mailbox_full(step.id(), len_max),
                Expired::Deadline => too_late(step.id()),
            };
            step.answer(caller, answer);
        }
        self.probe_wait_path(step);
        if let Some(live) = &mut self.live {
            live.batch_window = live.batch_window.filter(|gather| step.now().time < gather.until);
            live.expire_waiting(step);
        }
    }

    /// Starts all work that can start now.
    fn advance(&mut self, step: &mut Step<'_, T>) {
        match self.phase {
            Phase::Cold if !step.has_lease() => {
                self.refuse_all(ErrorCode::RegistryUnavailable, LEASE_OVER, step);
            }
            Phase::Cold if !self.mailbox.is_empty() => {
                self.phase = Phase::Claiming;
                step.push(Action::Claim);
            }
            Phase::Live => {
                self.begin_calls(step);
                if let Some(reason) = self.leaving.filter(|_| self.mailbox.is_empty()) {
                    self.phase = Phase::Closing(reason);
                }
            }
            Phase::Cold | Phase::Claiming | Phase::Loading | Phase::Releasing(_) => return,
            Phase::Closing(reason) => {
                if let Some(live) = self.live.as_mut().filter(|_| reason.is_orderly()) {
                    live.flush_bookkeeping(step.now());
                }
            }
        }
        if let Some(live) = &mut self.live {
            if step.has_lease() {
                live.release_held(step);
                live.begin_deliveries(step);
                live.begin_write(step);
                live.begin_proof(step);
            } else if let Phase::Closing(reason) = self.phase {
                live.give_up(reason, step);
            }
        }
        if let Phase::Closing(reason) = self.phase
            && self.live.as_ref().is_none_or(|live| live.is_settled())
        {
            self.phase = Phase::Releasing(reason);
            self.live = None;
            step.push(Action::DropInstance);
            step.push(Action::Release);
        }
    }

    /// Answers every waiting call with the same error.
    fn refuse_all(&mut self, code: ErrorCode, why: &str, step: &mut Step<'_, T>) {
        if !self.mailbox.is_empty() {
            self.refuse_all_with(&Error::new(code, format!("{}: {why}", step.id())), step);
        }
    }

    fn refuse_all_with(&mut self, error: &Error, step: &mut Step<'_, T>) {
        while let Some(queued) = self.mailbox.take() {
            step.answer(queued.caller, Err(Box::new(error.clone())));
        }
    }
}

impl<T> Live<T> {
    /// Whether no write is undecided and no answer is owed.
    fn is_settled(&self) -> bool {
        self.running.is_none()
            && !self.upgrade.is_probing()
            && self.pending_replies.is_empty()
            && self.in_flight_write.is_none()
            && !self.read_barrier.is_under_way()
            && self.current.version == self.committed.version
    }

    /// Makes the current head a new version, to be published to subscribers with these events.
    fn new_version(&mut self, events: Vec<effects::Event>, now: Now<'_>) {
        self.current.version += 1;
        if now.is_watched {
            let (version, state) = (self.current.version, self.current.state.clone());
            self.unpublished.push(Change { version, events, state });
        }
    }

    /// Makes bookkeeping outside the state a separate version.
    fn bump(&mut self, now: Now<'_>) {
        self.new_version(Vec::new(), now);
    }

    fn is_gathering(&self) -> bool {
        self.in_flight_write.is_none() && self.current.version != self.committed.version
    }

    fn time_ms(&self, now: Now<'_>) -> u64 {
        let passed_ms = now.time.since(self.committed.loaded_at).as_millis() as u64;
        self.committed.time_ms.saturating_add(passed_ms)
    }
}

fn mailbox_full(id: &ObjectId, len_max: usize) -> Answer {
    let text = format!("the mailbox of {id} is full: {len_max} calls are waiting");
    refuse(ErrorCode::MailboxFull, text)
        .map_err(|error| Box::new(error.with_retry_after(Duration::from_secs(1))))
}

/// Returns the answer to a call whose deadline passed before it started.
fn too_late(id: &ObjectId) -> Answer {
    refuse(
        ErrorCode::DeadlineExceeded,
        format!("the call to {id} was not executed: its deadline passed before it started"),
    )
}

fn idempotency_cache(record: Option<&Record>) -> IdempotencyCache {
    let empty = || Arc::from([]);
    IdempotencyCache::from_record(record.map_or_else(empty, |record| Arc::clone(&record.answered)))
}
