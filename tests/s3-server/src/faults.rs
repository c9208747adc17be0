//! The script of faults, and the quirks by which the server may differ from AWS.
//!
//! A [`Rule`] selects requests for a [`Fault`] by kind, key, probability and count. The delays of all matching
//! rules add up; of other faults, the first matching rule applies. [`Quirks`] apply to every request. Faults are
//! those of the network and the service: a fault never makes a write take place if its precondition does not hold,
//! but a quirk may.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;

/// Kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// PutObject.
    Put,
    /// GetObject.
    Get,
    /// HeadObject and HeadBucket.
    Head,
    /// DeleteObject.
    Delete,
    /// ListObjectsV2.
    List,
}

/// Fault that affects a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Delays the request before anything else.
    Delay(Duration),
    /// Returns this status and S3 error code, without executing the request.
    Refuse(u16, &'static str),
    /// Executes the request, then returns this status and S3 error code.
    RefuseAfter(u16, &'static str),
    /// Closes the connection without executing the request.
    LoseRequest,
    /// Executes the request, then closes the connection.
    LoseAnswer,
    /// Holds a write until [`Faults::release`], then applies or rejects it, even if the client has disconnected.
    Hold,
    /// Holds a write for this long, then applies or rejects it, even if the client has disconnected.
    HoldFor(Duration),
    /// Executes the request, and closes the connection after this many bytes of the response body.
    Truncate(usize),
    /// Returns only this many bytes of the blob, as if it ended there.
    Shorten(usize),
    /// Flips the lowest bit of this byte in a read, with the position modulo the length.
    FlipBit(usize),
    /// Returns a wrong ETag.
    WrongETag,
    /// Returns no ETag.
    NoETag,
    /// Returns 200 with a page of HTML, as a captive portal or a proxy may; the request is not executed.
    Garbage,
    /// Makes a read return the content before the newest write.
    Stale,
}

/// Selection of requests for a fault.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    operation: Option<Operation>,
    key_part: String,
    chance: f64,
    remaining: Option<u64>,
}

impl Rule {
    /// Creates a rule for all requests.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self { fault, operation: None, key_part: String::new(), chance: 1.0, remaining: None }
    }

    /// Restricts the rule to requests of this kind.
    #[must_use]
    pub fn on(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// Restricts the rule to keys, or prefixes of listings, that contain this part.
    #[must_use]
    pub fn key_with(self, part: &str) -> Self {
        Self { key_part: part.to_owned(), ..self }
    }

    /// Applies the fault only with this probability.
    #[must_use]
    pub fn with_chance(self, chance: f64) -> Self {
        Self { chance, ..self }
    }

    /// Applies the fault only to this many requests.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self { remaining: Some(count), ..self }
    }

    fn is_for(&self, operation: Operation, key: &str) -> bool {
        self.operation.is_none_or(|mine| mine == operation)
            && key.contains(&self.key_part)
            && self.remaining != Some(0)
    }
}

/// Differences of a server from AWS. The default is AWS.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quirks {
    /// Ignores `If-None-Match`.
    pub ignores_if_none_match: bool,
    /// Ignores `If-Match`.
    pub ignores_if_match: bool,
    /// Probability that a write does not exclude others between its check and its end.
    pub races: f64,
    /// Responds 412 instead of 404 to `If-Match` on a missing blob.
    pub answers_absent_with_412: bool,
    /// Responds 404 instead of 412 to a write with a failed precondition.
    pub answers_mismatch_with_404: bool,
    /// Never matches an `If-Match` with a quoted ETag.
    pub wants_unquoted_etags: bool,
    /// Responds 500 to a write that lost against a concurrent one at the same key.
    pub answers_losers_with_500: bool,
    /// Responds to writes without an ETag.
    pub omits_etags: bool,
    /// Percent-encodes the keys in listings, and declares it.
    pub encodes_listed_keys: bool,
    /// Lists keys in reverse order.
    pub lists_backwards: bool,
    /// Denies unconditional writes, as a bucket policy can.
    pub requires_conditions: bool,
}

/// Faults of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fate {
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Fault>,
}

/// The script, shared with its server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    seed: u64,
    script: Mutex<Script>,
    held_count: watch::Sender<usize>,
    release_count: watch::Sender<u64>,
}

#[derive(Debug)]
struct Script {
    random: StdRng,
    rules: Vec<Rule>,
    quirks: Quirks,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        let script = Script { random, rules: Vec::new(), quirks: Quirks::default() };
        Self(Arc::new(Shared {
            seed,
            script: Mutex::new(script),
            held_count: watch::Sender::new(0),
            release_count: watch::Sender::new(0),
        }))
    }

    /// Returns the seed of random faults. Concurrent requests draw in order of arrival, so it does not fix their
    /// faults.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Appends a rule.
    pub fn add(&self, rule: Rule) {
        self.0.script.lock().rules.push(rule);
    }

    /// Removes all rules, and releases all held writes.
    pub fn clear(&self) {
        self.0.script.lock().rules.clear();
        self.release();
    }

    /// Removes the rules with this [`Rule::key_with`], without releasing held writes.
    pub fn remove(&self, key_part: &str) {
        self.0.script.lock().rules.retain(|rule| rule.key_part != key_part);
    }

    /// Releases the writes held now. Later ones wait for the next release.
    pub fn release(&self) {
        self.0.release_count.send_modify(|count| *count += 1);
    }

    /// Returns the number of held writes.
    #[must_use]
    pub fn held_count(&self) -> usize {
        *self.0.held_count.borrow()
    }

    /// Waits until at least this many writes are held.
    pub async fn wait_for_held(&self, count: usize) {
        let mut held = self.0.held_count.subscribe();
        // The sender lives as long as this value.
        let _ = held.wait_for(|held| *held >= count).await;
    }

    /// Sets the quirks of the server.
    pub fn set_quirks(&self, quirks: Quirks) {
        self.0.script.lock().quirks = quirks;
    }

    pub(crate) fn quirks(&self) -> Quirks {
        self.0.script.lock().quirks
    }

    /// Whether an event of this probability happens now.
    pub(crate) fn happens(&self, chance: f64) -> bool {
        chance > 0.0 && self.0.script.lock().random.random_bool(chance.min(1.0))
    }

    pub(crate) fn draw(&self, operation: Operation, key: &str) -> Fate {
        let Script { random, rules, .. } = &mut *self.0.script.lock();
        let mut fate = Fate::default();
        for rule in rules.iter_mut().filter(|rule| rule.is_for(operation, key)) {
            let is_taken = fate.fault.is_some() && !matches!(rule.fault, Fault::Delay(_));
            if is_taken || (rule.chance < 1.0 && !random.random_bool(rule.chance)) {
                continue;
            }
            if let Some(remaining) = &mut rule.remaining {
                *remaining -= 1;
            }
            match &rule.fault {
                Fault::Delay(delay) => fate.delay += *delay,
                fault => fate.fault = Some(fault.clone()),
            }
        }
        fate
    }

    /// Waits for the next release, or up to `limit`. If this future is dropped, the write counts as held forever.
    pub(crate) async fn hold(&self, limit: Option<Duration>) {
        let mut releases = self.0.release_count.subscribe();
        self.0.held_count.send_modify(|count| *count += 1);
        match limit {
            Some(limit) => drop(tokio::time::timeout(limit, releases.changed()).await),
            None => drop(releases.changed().await),
        }
        self.0.held_count.send_modify(|count| *count -= 1);
    }
}
