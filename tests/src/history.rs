//! What happened to one counter, as its callers saw it: when each call began and ended, and what it came to.
//!
//! Moments are numbers from one clock that goes up by one at each event, so that "ended before that one began" is exact
//! within this process and depends on no machine's time. Whether the history may be is [`check`]'s to say.

pub mod check;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use self::check::Violation;
use crate::client::{Client, Reply, Request};

/// What a caller was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done, and this was seen.
    Done(Seen),
    /// Nothing of it happened, nor ever will.
    NotExecuted,
    /// It may have happened.
    Unknown,
}

/// A counter at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its number.
    pub value: u64,
    /// Its version.
    pub version: u64,
    /// The epoch of that version, where the answer says: a repeated answer may be told by a later owner.
    pub epoch: Option<u64>,
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One more.
    Increment,
    /// The number.
    Read,
}

/// One call, from the moment it began to the moment its caller knew what it came to.
#[derive(Debug, Clone)]
pub struct Call {
    /// When it began.
    pub begun: u64,
    /// When it ended.
    pub ended: u64,
    /// What was asked.
    pub kind: Kind,
    /// The idempotency key, if one was given: calls with the same one are one change.
    pub key: Option<String>,
    /// What it came to.
    pub outcome: Outcome,
}

/// Makes calls to one counter, and keeps what they came to.
#[derive(Debug)]
pub struct Recorder {
    object: String,
    clock: AtomicU64,
    calls: Mutex<Vec<Call>>,
    answered: watch::Sender<u64>,
}

impl Recorder {
    /// A recorder for a counter that nobody else calls, `type/key`.
    #[must_use]
    pub fn new(object: &str) -> Self {
        let answered = watch::Sender::new(0);
        Self {
            object: object.to_owned(),
            clock: AtomicU64::new(0),
            calls: Mutex::default(),
            answered,
        }
    }

    /// Increments the counter, with an idempotency key or without.
    pub async fn increment(&self, client: &Client, key: Option<&str>) -> Outcome {
        let request = client.call(&self.object, "increment");
        let request = match key {
            Some(key) => request.key(key),
            None => request,
        };
        self.record(Kind::Increment, key, request).await
    }

    /// Reads the counter.
    pub async fn read(&self, client: &Client) -> Outcome {
        self.record(Kind::Read, None, client.call(&self.object, "value")).await
    }

    /// Waits until this many calls were done.
    pub async fn has_answered(&self, count: u64) {
        // The sender is `self`, so that the channel is not closed.
        let _ = self.answered.subscribe().wait_for(|answered| *answered >= count).await;
    }

    /// How many calls were done.
    #[must_use]
    pub fn answered_count(&self) -> u64 {
        *self.answered.borrow()
    }

    /// The keys of calls of which nobody was told yet what they came to.
    #[must_use]
    pub fn unknown_keys(&self) -> BTreeSet<String> {
        let calls = self.calls();
        let keys = |is_done: bool| {
            let calls = calls.iter().filter(move |call| match call.outcome {
                Outcome::Done(_) => is_done,
                Outcome::Unknown => !is_done,
                Outcome::NotExecuted => false,
            });
            calls.filter_map(|call| call.key.clone()).collect::<BTreeSet<_>>()
        };
        &keys(false) - &keys(true)
    }

    /// What has happened until now.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the counter a last time, and judges the whole history.
    ///
    /// # Panics
    /// Where it may not be.
    pub async fn audit(&self, client: &Client) -> Seen {
        let Outcome::Done(last) = self.read(client).await else {
            panic!("{} does not answer any more", self.object);
        };
        let calls = self.calls();
        if let Err(violation) = check::check(&calls, last) {
            self.fail(&calls, &violation);
        }
        last
    }

    fn fail(&self, calls: &[Call], violation: &Violation) -> ! {
        let mut calls = calls.to_vec();
        calls.sort_by_key(|call| call.begun);
        calls.iter().for_each(|call| eprintln!("{call:?}"));
        panic!("the history of {}, above, cannot be: {violation:?}", self.object);
    }

    async fn record(&self, kind: Kind, key: Option<&str>, request: Request) -> Outcome {
        let begun = self.tick();
        let outcome = outcome(request.try_send().await);
        let call = Call { begun, ended: self.tick(), kind, key: key.map(str::to_owned), outcome };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        if matches!(outcome, Outcome::Done(_)) {
            self.answered.send_modify(|count| *count += 1);
        }
        outcome
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

fn outcome(answer: reqwest::Result<Reply>) -> Outcome {
    match answer {
        Ok(reply) if reply.status == 200 => {
            let value = reply.json().as_u64().expect("a number");
            let epoch = (!reply.is_replayed()).then(|| reply.epoch());
            Outcome::Done(Seen { value, version: reply.version(), epoch })
        }
        Ok(reply) => match reply.json()["effect"].as_str() {
            Some("none") => Outcome::NotExecuted,
            Some("unknown") => Outcome::Unknown,
            _ => panic!("an answer that a counter does not give: {}", reply.text()),
        },
        // Nothing was sent where there was no connection.
        Err(error) if error.is_connect() => Outcome::NotExecuted,
        Err(_) => Outcome::Unknown,
    }
}
