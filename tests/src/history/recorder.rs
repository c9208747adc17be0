//! Calls one object, a counter or a journal, and records the outcomes.
//!
//! The recorder never retries: a caller that repeats a call records a separate call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use super::check::{Violation, check};
use super::record::Record;
use super::{Call, Kind, Last, Outcome, Seen};
use crate::client::{Client, Request};
use crate::reply::Reply;

/// Limit of attempts for the final read: a store may still fail.
const AUDIT_ATTEMPTS_MAX: usize = 50;
const AUDIT_PAUSE: Duration = Duration::from_millis(100);

/// Calls one object and records the outcomes.
#[derive(Debug)]
pub struct Recorder {
    object: String,
    is_journal: bool,
    clock: AtomicU64,
    kept: Mutex<Kept>,
    answered: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    calls: Vec<Call>,
    /// Numbers of changes with an idempotency key.
    changes: BTreeMap<String, u64>,
    change_count: u64,
}

impl Recorder {
    /// Creates a recorder for a counter or a journal, `type/key`, that no other recorder calls.
    #[must_use]
    pub fn new(object: &str) -> Self {
        Self {
            object: object.to_owned(),
            is_journal: object.starts_with("journal/"),
            clock: AtomicU64::new(0),
            kept: Mutex::default(),
            answered: watch::Sender::new(0),
        }
    }

    /// Returns the object, `type/key`.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }

    /// Changes the object, with or without an idempotency key.
    pub async fn change(&self, client: &Client, key: Option<&str>) -> Outcome {
        let (change, request) = self.command(client, key);
        self.record(Kind::Change, change, request).await
    }

    /// Changes the object, with a separate deadline for the node, such as `500ms`.
    pub async fn change_within(&self, client: &Client, key: &str, time: &str) -> Outcome {
        let (change, request) = self.command(client, Some(key));
        self.record(Kind::Change, change, request.header("highlander-timeout", time)).await
    }

    /// Changes the object for a caller that disconnects after this time.
    pub async fn change_until(
        &self,
        client: &Client,
        key: Option<&str>,
        limit: Duration,
    ) -> Outcome {
        let (change, request) = self.command(client, key);
        self.record(Kind::Change, change, request.timeout(limit)).await
    }

    fn command(&self, client: &Client, key: Option<&str>) -> (u64, Request) {
        let change = self.number(key);
        let request = if self.is_journal {
            client.call(&self.object, "append").json(json!(change))
        } else {
            client.call(&self.object, "increment")
        };
        let request = match key {
            Some(key) => request.key(key),
            None => request,
        };
        (change, request)
    }

    /// Reads the object.
    pub async fn read(&self, client: &Client) -> Outcome {
        self.record(Kind::Read, 0, self.query(client)).await
    }

    /// Reads the object with a strict read, which does not depend on the owner's clock.
    pub async fn read_strictly(&self, client: &Client) -> Outcome {
        let request = self.query(client).header("highlander-consistency", "strict");
        self.record(Kind::StrictRead, 0, request).await
    }

    /// Waits until this many calls have succeeded.
    pub async fn has_answered(&self, count: u64) {
        // `self` holds the sender, so the channel stays open.
        let _ = self.answered.subscribe().wait_for(|answered| *answered >= count).await;
    }

    /// Returns the number of successful calls.
    #[must_use]
    pub fn answered_count(&self) -> u64 {
        *self.answered.borrow()
    }

    /// Returns the keys of changes whose outcome is still unknown.
    #[must_use]
    pub fn unknown_keys(&self) -> Vec<String> {
        let kept = self.kept.lock();
        let numbers = |is_done: bool| {
            let calls = kept.calls.iter().filter(move |call| match call.outcome {
                Outcome::Done(_) => is_done,
                Outcome::Unknown => !is_done,
                Outcome::NotExecuted => false,
            });
            calls.filter(|call| call.kind == Kind::Change).map(|call| call.change).collect()
        };
        let (unknown, done): (BTreeSet<_>, BTreeSet<_>) = (numbers(false), numbers(true));
        let keys = kept.changes.iter();
        let keys = keys.filter(|(_, number)| unknown.contains(number) && !done.contains(number));
        keys.map(|(key, _)| key.clone()).collect()
    }

    /// Returns all calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.kept.lock().calls.clone()
    }

    /// Forgets the queries that rely on a lease, so that they are not checked.
    pub fn forget_default_reads(&self) {
        self.kept.lock().calls.retain(|call| call.kind != Kind::Read);
    }

    /// Reads the object a last time, and checks the whole history.
    ///
    /// # Panics
    /// If it violates a guarantee.
    pub async fn audit(&self, client: &Client) -> Seen {
        let mut seen = None;
        for _ in 0..AUDIT_ATTEMPTS_MAX {
            if let Outcome::Done(read) = self.read_strictly(client).await {
                seen = Some(read);
                break;
            }
            sleep(AUDIT_PAUSE).await;
        }
        let Some(mut seen) = seen else {
            self.fail(&Violation::Record("the object does not answer any more".to_owned()));
        };
        let mut entries = None;
        if self.is_journal {
            let reply = client.state(&self.object).await;
            let state = reply.json();
            let list = state["entries"].as_array().expect("a journal has entries");
            entries = Some(list.iter().map(|entry| entry.as_u64().expect("a number")).collect());
            let value = state["digest"].as_u64().expect("a journal has a digest");
            seen = Seen { value, version: reply.version(), epoch: reply.epoch() };
        }
        self.check_history(&Last { seen, entries });
        seen
    }

    /// Checks the whole history against the record in the store, if there is one.
    ///
    /// # Panics
    /// If it violates a guarantee.
    pub fn audit_record(&self, blob: Option<&[u8]>) {
        let Some(blob) = blob else {
            let entries = self.is_journal.then(Vec::new);
            return self
                .check_history(&Last { seen: Seen { value: 0, version: 0, epoch: 0 }, entries });
        };
        let record = Record::read(blob).unwrap_or_else(|violation| self.fail(&violation));
        if record.object != self.object {
            self.fail(&Violation::Record(format!("the record is of {}", record.object)));
        }
        self.check_history(&record.last().unwrap_or_else(|violation| self.fail(&violation)));
        if let Err(violation) = self.check_answered(&record) {
            self.fail(&violation);
        }
    }

    /// Checks the versions of calls with a key in the record against the responses to their callers.
    fn check_answered(&self, record: &Record) -> Result<(), Violation> {
        let kept = self.kept.lock();
        let keys: BTreeMap<_, _> = kept.changes.iter().map(|(key, number)| (number, key)).collect();
        for call in kept.calls.iter().filter(|call| call.kind == Kind::Change) {
            let Outcome::Done(Seen { version, .. }) = call.outcome else { continue };
            let Some(key) = keys.get(&call.change) else { continue };
            if let Some(made) = record.answered.get(*key).filter(|made| **made != version) {
                let what = format!("{key} made version {made}, but {version} was returned");
                return Err(Violation::Record(what));
            }
        }
        Ok(())
    }

    fn check_history(&self, last: &Last) {
        if let Err(violation) = check(&self.calls(), last) {
            self.fail(&violation);
        }
    }

    fn fail(&self, violation: &Violation) -> ! {
        let mut calls = self.calls();
        calls.sort_by_key(|call| call.begun);
        calls.iter().for_each(|call| eprintln!("{call:?}"));
        panic!("the history of {}, above, is not possible: {violation:?}", self.object);
    }

    fn query(&self, client: &Client) -> Request {
        client.call(&self.object, if self.is_journal { "digest" } else { "value" })
    }

    async fn record(&self, kind: Kind, change: u64, request: Request) -> Outcome {
        let begun = self.tick();
        let answer = request.try_send().await;
        let maker = match &answer {
            Ok(reply) if kind == Kind::Change && reply.status == 200 && !reply.is_replayed() => {
                Some(reply.owner().to_owned())
            }
            _ => None,
        };
        let revision = match &answer {
            Ok(reply) if reply.status == 200 && !reply.is_replayed() => Some(reply.revision()),
            _ => None,
        };
        let outcome = outcome(answer);
        let call = Call { begun, ended: self.tick(), kind, change, outcome, maker, revision };
        self.kept.lock().calls.push(call);
        if matches!(outcome, Outcome::Done(_)) {
            self.answered.send_modify(|count| *count += 1);
        }
        outcome
    }

    fn number(&self, key: Option<&str>) -> u64 {
        let mut kept = self.kept.lock();
        if let Some(number) = key.and_then(|key| kept.changes.get(key)) {
            return *number;
        }
        kept.change_count += 1;
        let number = kept.change_count;
        if let Some(key) = key {
            kept.changes.insert(key.to_owned(), number);
        }
        number
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

fn outcome(answer: reqwest::Result<Reply>) -> Outcome {
    match answer {
        Ok(reply) if reply.status == 200 => {
            let value = reply.json().as_u64().expect("a number");
            Outcome::Done(Seen { value, version: reply.version(), epoch: reply.epoch() })
        }
        Ok(reply) => match reply.json()["effect"].as_str() {
            Some("none") => Outcome::NotExecuted,
            // The response is no longer cached, so the version is unknown.
            Some("unknown" | "applied") => {
                eprintln!("unknown outcome: {}", reply.text());
                Outcome::Unknown
            }
            _ => panic!("unexpected answer: {}", reply.text()),
        },
        // Without a connection, nothing was sent.
        Err(error) if error.is_connect() => Outcome::NotExecuted,
        Err(error) => {
            eprintln!("call without an answer: {error:?}");
            Outcome::Unknown
        }
    }
}
