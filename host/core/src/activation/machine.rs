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
#[cfg(test)]
mod tests;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

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

/// Activation of one object. `T` is the reply channel of a call.
#[derive(Debug)]
pub struct Machine<T> {
    id: ObjectId,
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
        Self {
            id,
            phase: Phase::Cold,
            mailbox: Mailbox::new(),
            leaving: None,
            wanted: None,
            live: None,
        }
    }

    /// Processes one event and appends the resulting actions to `actions`.
    pub fn step(&mut self, event: Input<T>, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        let now = self.with_effective_lease(now);
        match event {
            Input::Call(call, caller) => self.offer(call, caller, now, actions),
            Input::Claimed(outcome) => self.claimed(outcome, actions),
            Input::Loaded(Ok(loaded)) => self.loaded(loaded, now, actions),
            Input::Loaded(Err(failure)) => self.load_failed(failure, actions),
            Input::Ran(ran) => self.ran(ran, now, actions),
            Input::WriteFinished(put) => self.stored(put, now, actions),
            Input::Reread(reread) => self.reread(reread, now, actions),
            Input::RecordVerified(reread) => self.proven(reread, now, actions),
            Input::Released => self.released(actions),
            Input::RevisionWanted(code) => self.want(code),
            Input::Probe => self.probe(now, actions),
            Input::Probed(code, probed) => self.probed(code, probed, actions),
            Input::OutboundStarted(age, to, caller) => {
                self.departing(age, to, caller, now, actions);
            }
            Input::OutboundFinished => self.returned(),
            Input::WaitPathFound(departure, path) => self.followed(departure, &path, actions),
            Input::Delivered(to, number, delivered) => {
                self.delivered(&to, number, delivered, now, actions);
            }
            Input::Deactivate(reason) => self.deactivate(reason, actions),
            Input::Wake => self.expire(now, actions),
        }
        self.advance(self.with_effective_lease(now), actions);
    }

    /// Whether no claim is held and no calls wait, so that the machine can be dropped.
    #[must_use]
    pub fn is_cold(&self) -> bool {
        self.phase == Phase::Cold && self.mailbox.is_empty()
    }

    /// Whether it is live and has no work.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Live
            && self.mailbox.is_empty()
            && self.live.as_ref().is_some_and(|live| live.is_settled() && !live.is_delivering())
    }

    /// Whether a write is delayed briefly to gather more calls: it needs [`Input::Wake`] to start.
    #[must_use]
    pub fn is_batching(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.is_gathering())
    }

    /// Returns the number of calls that wait to run.
    #[must_use]
    pub fn mailbox_len(&self) -> usize {
        self.mailbox.len()
    }

    /// Returns the position of a live activation.
    #[must_use]
    pub fn status(&self) -> Option<ObjectStatus> {
        let live = self.live.as_ref()?;
        Some(ObjectStatus {
            version: live.committed.version,
            epoch: live.committed.epoch,
            revision: live.upgrade.proven().unwrap_or(&live.code).revision,
            own_revision: live.code.revision,
            exists: live.current.state.is_some(),
            mailbox_len: self.mailbox.len(),
            waits_for: self.waits_for().cloned(),
        })
    }

    /// Returns when [`Input::Wake`] is due if no other event occurs first.
    #[must_use]
    pub fn next_wake(&self, settings: &Settings) -> Option<BootTime> {
        let waiting =
            self.live.iter().flat_map(|live| &live.pending_replies).map(|waiting| waiting.deadline);
        let gather =
            self.live.as_ref().filter(|live| live.is_gathering()).and_then(|l| l.batch_window);
        let timers = self.mailbox.next_expiry(settings.mailbox_len).into_iter();
        let gather = gather.map(|gather| gather.until);
        waiting.chain(timers).chain(gather).chain(self.next_wait_probe()).min()
    }

    fn offer(&mut self, call: Call, caller: T, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        if let Some((code, why)) = self.turns_away() {
            let answer = refuse(code, format!("{}: {why}", self.id));
            return actions.push(Action::Answer(caller, answer));
        }
        let len_max = now.settings.mailbox_len;
        if let Some(caller) = self.mailbox.offer(call, caller, now.time, len_max) {
            actions.push(Action::Answer(caller, self.mailbox_full(len_max)));
        }
    }

    fn mailbox_full(&self, len_max: usize) -> Answer {
        let text = format!("the mailbox of {} is full: {len_max} calls are waiting", self.id);
        refuse(ErrorCode::MailboxFull, text)
            .map_err(|error| Box::new(error.with_retry_after(Duration::from_secs(1))))
    }

    /// Answers the calls whose time has run out.
    fn expire(&mut self, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        let len_max = now.settings.mailbox_len;
        for (caller, expired) in self.mailbox.expire(now.time, len_max) {
            let answer = match expired {
                Expired::Full => self.mailbox_full(len_max),
                Expired::Deadline => too_late(&self.id),
            };
            actions.push(Action::Answer(caller, answer));
        }
        self.probe_wait_path(now, actions);
        if let Some(live) = &mut self.live {
            live.batch_window = live.batch_window.filter(|gather| now.time < gather.until);
            live.expire_waiting(&self.id, now, actions);
        }
    }

    /// Starts all work that can start now.
    fn advance(&mut self, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        match self.phase {
            Phase::Cold if !now.has_lease() => {
                self.refuse_all(ErrorCode::RegistryUnavailable, LEASE_OVER, actions);
            }
            Phase::Cold if !self.mailbox.is_empty() => {
                self.phase = Phase::Claiming;
                actions.push(Action::Claim);
            }
            Phase::Live => {
                self.begin_calls(now, actions);
                if let Some(reason) = self.leaving.filter(|_| self.mailbox.is_empty()) {
                    self.phase = Phase::Closing(reason);
                }
            }
            Phase::Cold | Phase::Claiming | Phase::Loading | Phase::Releasing(_) => return,
            Phase::Closing(reason) => {
                if let Some(live) = self.live.as_mut().filter(|_| reason.is_orderly()) {
                    live.flush_bookkeeping(now);
                }
            }
        }
        if let Some(live) = &mut self.live {
            if now.has_lease() {
                live.release_held(now, actions);
                live.begin_deliveries(actions);
                live.begin_write(&self.id, now, actions);
                live.begin_proof(actions);
            } else if let Phase::Closing(reason) = self.phase {
                live.give_up(&self.id, reason, actions);
            }
        }
        if let Phase::Closing(reason) = self.phase
            && self.live.as_ref().is_none_or(|live| live.is_settled())
        {
            self.phase = Phase::Releasing(reason);
            self.live = None;
            actions.push(Action::DropInstance);
            actions.push(Action::Release);
        }
    }

    /// Answers every waiting call with the same error.
    fn refuse_all(&mut self, code: ErrorCode, why: &str, actions: &mut Vec<Action<T>>) {
        if !self.mailbox.is_empty() {
            self.refuse_all_with(&Error::new(code, format!("{}: {why}", self.id)), actions);
        }
    }

    fn refuse_all_with(&mut self, error: &Error, actions: &mut Vec<Action<T>>) {
        while let Some(queued) = self.mailbox.take() {
            actions.push(Action::Answer(queued.caller, Err(Box::new(error.clone()))));
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
