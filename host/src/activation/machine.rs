//! The activation as a pure state machine: (state, event, now) → (state, actions).
//!
//! It decides when to claim, load, run, write, answer and release; [`super::task`] does it.
//! Kept here: one call at a time (O1), nothing leaves before the commit it depends on (S5), an outcome is definite or
//! said to be unknown (S6), keyed calls take effect once (S7), failed calls leave no trace (S8), and a claim is given
//! back only when no write is undecided and no answer is owed.
//! No I/O, no clock, no randomness: the caller hands all three in with [`Now`].

mod at_once;
mod begin;
mod dealing;
mod depart;
mod end;
mod given_up;
mod outcome;
mod parts;
mod proof;
mod quarantine;
mod settle;
#[cfg(test)]
mod simulation;
mod swap;
#[cfg(test)]
mod tests;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use parts::{Base, Gather, Head, Running, Waiting, Writing, base};

use super::answered::Answered;
use super::mailbox::{Expired, Mailbox};
use super::protocol::{Action, Change, Event, Now, Settings};
use super::{Answer, Call, Reason, refuse};
use crate::clock::BootTime;
use crate::effects;
use crate::error::{Code, Error};
use crate::id::{CodeId, ObjectId};
use crate::store::record::{Epoch, Record, Version};

const LEASE_OVER: &str = "this node cannot reach the registry, and its lease is over";
const DEPARTING: &str = "it is being handed over to another node";

/// Where a live activation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The committed version.
    pub version: Version,
    /// The epoch of that version.
    pub epoch: Epoch,
    /// The revision that the next call runs.
    pub revision: u32,
    /// The revision whose code the object has: another one where it has read its state with a newer one, and was not
    /// called since. It still goes on with this one where the newer one fails that call.
    pub own_revision: u32,
    /// Whether the object exists: it was changed, and is not deleted.
    pub exists: bool,
    /// How many calls wait.
    pub mailbox_len: usize,
    /// The object that the running call has called and waits for, if it does.
    pub waits_for: Option<ObjectId>,
}

/// How far an activation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing is held.
    Cold,
    /// The claim is asked for.
    Claiming,
    /// The record is being read.
    Loading,
    /// It answers.
    Live,
    /// It begins nothing more, and ends when all is settled.
    Closing(Reason),
    /// The claim is being given back.
    Releasing(Reason),
}

/// One object's activation. `T` is whom to answer.
#[derive(Debug)]
pub struct Machine<T> {
    id: ObjectId,
    phase: Phase,
    mailbox: Mailbox<T>,
    /// Why no further call is taken, while those that wait have their turn.
    leaving: Option<Reason>,
    /// Which code is wanted, where that was said before the record was there.
    wanted: Option<CodeId>,
    live: Option<Box<Live<T>>>,
}

/// What an activation holds while it is live.
#[derive(Debug)]
struct Live<T> {
    code: CodeId,
    swap: swap::Swap,
    quarantine: quarantine::Quarantine,
    base: Base,
    head: Head,
    answered: Answered,
    /// The epoch that this owner commits with: one above the one it found.
    epoch: Epoch,
    /// Whether the instance, if there is one, holds `head`.
    is_in_sync: bool,
    running: Option<Running<T>>,
    waiting: Vec<Waiting<T>>,
    writing: Option<Writing>,
    gather: Option<Gather>,
    proof: proof::Proof,
    /// Whether changes are committed whose answers wait for the lease to hold again.
    has_held: bool,
    /// Changes that those who watch the object are not told of yet.
    unpublished: Vec<Change>,
    post: dealing::Post,
}

impl<T> Machine<T> {
    /// The machine of an object that nobody has called yet.
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

    /// Takes in one event, and pushes what is to be done onto `actions`.
    pub fn step(&mut self, event: Event<T>, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        let now = self.trusting(now);
        match event {
            Event::Call(call, caller) => self.offer(call, caller, now, actions),
            Event::Claimed(outcome) => self.claimed(outcome, actions),
            Event::Loaded(Ok(loaded)) => self.loaded(loaded, now, actions),
            Event::Loaded(Err(failure)) => self.load_failed(failure, actions),
            Event::Ran(ran) => self.ran(ran, now, actions),
            Event::Stored(put) => self.stored(put, now, actions),
            Event::Reread(reread) => self.reread(reread, now, actions),
            Event::Proven(reread) => self.proven(reread, now, actions),
            Event::Released => self.released(actions),
            Event::Wanted(code) => self.want(code),
            Event::Probe => self.probe(now, actions),
            Event::Probed(code, probed) => self.probed(code, probed, actions),
            Event::Departing(age, to, caller) => self.departing(age, to, caller, now, actions),
            Event::Returned => self.returned(),
            Event::Followed(departure, path) => self.followed(departure, &path, actions),
            Event::Delivered(to, number, delivered) => {
                self.delivered(&to, number, delivered, now, actions);
            }
            Event::Deactivate(reason) => self.deactivate(reason),
            Event::Wake => self.expire(now, actions),
        }
        self.advance(self.trusting(now), actions);
    }

    /// Whether nothing is held and nothing waits: the machine can be dropped.
    #[must_use]
    pub fn is_cold(&self) -> bool {
        self.phase == Phase::Cold && self.mailbox.is_empty()
    }

    /// Whether it is live and has nothing to do.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Live
            && self.mailbox.is_empty()
            && self.live.as_ref().is_some_and(|live| live.is_settled() && !live.is_delivering())
    }

    /// Whether a write is put off for a moment: [`Event::Wake`] is needed to begin it.
    #[must_use]
    pub fn is_gathering(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.is_gathering())
    }

    /// How many calls wait to run.
    #[must_use]
    pub fn mailbox_len(&self) -> usize {
        self.mailbox.len()
    }

    /// Where it stands, while it is live.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let live = self.live.as_ref()?;
        Some(Position {
            version: live.base.version,
            epoch: live.base.epoch,
            revision: live.swap.proven().unwrap_or(&live.code).revision,
            own_revision: live.code.revision,
            exists: live.head.state.is_some(),
            mailbox_len: self.mailbox.len(),
            waits_for: self.waits_for().cloned(),
        })
    }

    /// When [`Event::Wake`] is due, if nothing else happens before.
    #[must_use]
    pub fn next_wake(&self, settings: &Settings) -> Option<BootTime> {
        let waiting =
            self.live.iter().flat_map(|live| &live.waiting).map(|waiting| waiting.deadline);
        let gather = self.live.as_ref().filter(|live| live.is_gathering()).and_then(|l| l.gather);
        let timers = self.mailbox.next_expiry(settings.mailbox_len).into_iter();
        let gather = gather.map(|gather| gather.until);
        waiting.chain(timers).chain(gather).chain(self.next_look()).min()
    }

    fn offer(&mut self, call: Call, caller: T, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        if self.is_departing() {
            let answer = refuse(Code::Draining, format!("{}: {DEPARTING}", self.id));
            return actions.push(Action::Answer(caller, answer));
        }
        let len_max = now.settings.mailbox_len;
        if let Some(caller) = self.mailbox.offer(call, caller, now.time, len_max) {
            actions.push(Action::Answer(caller, self.mailbox_full(len_max)));
        }
    }

    fn mailbox_full(&self, len_max: usize) -> Answer {
        let text = format!("{} has {len_max} calls waiting, as many as its mailbox holds", self.id);
        refuse(Code::MailboxFull, text)
            .map_err(|error| Box::new(error.with_retry_after(Duration::from_secs(1))))
    }

    /// Answers the calls whose time is up.
    fn expire(&mut self, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        let len_max = now.settings.mailbox_len;
        for (caller, expired) in self.mailbox.expire(now.time, len_max) {
            let answer = match expired {
                Expired::Full => self.mailbox_full(len_max),
                Expired::Deadline => too_late(&self.id),
            };
            actions.push(Action::Answer(caller, answer));
        }
        self.look(now, actions);
        if let Some(live) = &mut self.live {
            live.gather = live.gather.filter(|gather| now.time < gather.until);
            live.expire_waiting(&self.id, now, actions);
        }
    }

    /// Begins whatever can be begun.
    fn advance(&mut self, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        match self.phase {
            Phase::Cold if !now.has_lease() => {
                self.refuse_all(Code::RegistryUnavailable, LEASE_OVER, actions);
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
                    live.tidy_up(now);
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

    /// Answers every call that waits with the same error.
    fn refuse_all(&mut self, code: Code, why: &str, actions: &mut Vec<Action<T>>) {
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
            && !self.swap.is_probing()
            && self.waiting.is_empty()
            && self.writing.is_none()
            && !self.proof.is_under_way()
            && self.head.version == self.base.version
    }

    /// What the head is now is a version of its own, of which those who watch are told with these events.
    fn new_version(&mut self, events: Vec<effects::Event>, now: Now<'_>) {
        self.head.version += 1;
        if now.is_watched {
            let (version, state) = (self.head.version, self.head.state.clone());
            self.unpublished.push(Change { version, events, state });
        }
    }

    /// What is not the state's becomes a change of its own.
    fn bump(&mut self, now: Now<'_>) {
        self.new_version(Vec::new(), now);
    }

    fn is_gathering(&self) -> bool {
        self.writing.is_none() && self.head.version != self.base.version
    }

    fn time_ms(&self, now: Now<'_>) -> u64 {
        let passed_ms = now.time.since(self.base.loaded_at).as_millis() as u64;
        self.base.time_ms.saturating_add(passed_ms)
    }
}

/// The answer to a call whose time ran out before it began.
fn too_late(id: &ObjectId) -> Answer {
    refuse(Code::DeadlineExceeded, format!("the time for the call to {id} ran out before it began"))
}

fn answered(record: Option<&Record>) -> Answered {
    let empty = || Arc::from([]);
    Answered::from_record(record.map_or_else(empty, |record| Arc::clone(&record.answered)))
}
