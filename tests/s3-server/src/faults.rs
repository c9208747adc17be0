//! The script of what goes wrong, and the ways in which the server may differ from AWS.
//!
//! A [`Rule`] says which requests meet which [`Fault`], by kind of request, key, chance and count. Delays of all rules
//! that apply add up; of the other faults the first rule that applies wins. [`Quirks`] hold for every request.
//! Faults are the network's and the service's: no fault makes a write take place whose condition does not hold, but
//! quirks may.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;

/// A kind of request.
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

/// What befalls a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// It takes this much longer, before anything else.
    Delay(Duration),
    /// It is answered with this status and S3 error code, and nothing is done.
    Refuse(u16, &'static str),
    /// It is done, and then answered with this status and S3 error code.
    RefuseAfter(u16, &'static str),
    /// The connection is closed, and nothing is done.
    LoseRequest,
    /// It is done, and then the connection is closed.
    LoseAnswer,
    /// A write is kept until [`Faults::release`], and then decided, even if the client has hung up.
    Hold,
    /// A write is kept for this long, and then decided, even if the client has hung up.
    HoldFor(Duration),
    /// It is done, and only this many bytes of the answer's body are sent before the connection is closed.
    Truncate(usize),
    /// A read is answered with this many bytes of the blob, as if there were no more.
    Shorten(usize),
    /// A read is answered with the lowest bit of this byte flipped, counted around the blob.
    FlipBit(usize),
    /// The answer names another ETag than the blob has.
    WrongETag,
    /// The answer names no ETag.
    NoETag,
    /// The answer is 200 with a page of HTML, as a captive portal or a proxy may send it; nothing is done.
    Garbage,
    /// A read finds what the blob was before its newest write.
    Stale,
}

/// Which requests meet a fault.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    operation: Option<Operation>,
    key_part: String,
    chance: f64,
    remaining: Option<u64>,
}

impl Rule {
    /// All requests meet it.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self { fault, operation: None, key_part: String::new(), chance: 1.0, remaining: None }
    }

    /// Only requests of this kind do.
    #[must_use]
    pub fn on(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// Only those whose key, or prefix of a listing, contains this.
    #[must_use]
    pub fn key_with(self, part: &str) -> Self {
        Self { key_part: part.to_owned(), ..self }
    }

    /// Each of them only with this probability.
    #[must_use]
    pub fn with_chance(self, chance: f64) -> Self {
        Self { chance, ..self }
    }

    /// Only the first so many.
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

/// Ways in which a whole server differs from AWS. The default is AWS.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quirks {
    /// `If-None-Match` is not looked at.
    pub ignores_if_none_match: bool,
    /// `If-Match` is not looked at.
    pub ignores_if_match: bool,
    /// The probability with which a write does not wait for others between its check and its end.
    pub races: f64,
    /// `If-Match` on a blob that is not there is answered 412, and not 404.
    pub answers_absent_with_412: bool,
    /// A write whose condition does not hold is answered 404, and not 412.
    pub answers_mismatch_with_404: bool,
    /// `If-Match` never holds for an ETag in quotes.
    pub wants_unquoted_etags: bool,
    /// A write that met another one at the same key, and lost, is answered 500.
    pub answers_losers_with_500: bool,
    /// Writes are answered without an ETag.
    pub omits_etags: bool,
    /// Listings name keys percent-encoded, and say so.
    pub encodes_listed_keys: bool,
    /// Listings are in the reverse of their order.
    pub lists_backwards: bool,
    /// A write without a condition is denied, as a policy of a bucket can demand it.
    pub requires_conditions: bool,
}

/// What befalls one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fate {
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Fault>,
}

/// The script, shared with the server that plays it. Cheap to clone.
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

    /// What decides on faults by chance. Requests that are under way at once still draw in the order of their arrival.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Adds a rule behind those that are there.
    pub fn add(&self, rule: Rule) {
        self.script().rules.push(rule);
    }

    /// Removes all rules, and lets go what is held.
    pub fn clear(&self) {
        self.script().rules.clear();
        self.release();
    }

    /// Removes the rules for keys with this part, which [`Rule::key_with`] was told, and lets nothing go.
    pub fn remove(&self, key_part: &str) {
        self.script().rules.retain(|rule| rule.key_part != key_part);
    }

    /// Decides the held writes now. Those that are held later wait for the next release.
    pub fn release(&self) {
        self.0.release_count.send_modify(|count| *count += 1);
    }

    /// How many writes are held.
    #[must_use]
    pub fn held_count(&self) -> usize {
        *self.0.held_count.borrow()
    }

    /// Waits until so many writes, or more, are held.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn wait_for_held(&self, count: usize) {
        let mut held = self.0.held_count.subscribe();
        // The sender lives as long as this value.
        let _ = held.wait_for(|held| *held >= count).await;
    }

    /// From now on the server has these quirks.
    pub fn set_quirks(&self, quirks: Quirks) {
        self.script().quirks = quirks;
    }

    pub(crate) fn quirks(&self) -> Quirks {
        self.script().quirks
    }

    /// Whether something of this probability happens now.
    pub(crate) fn happens(&self, chance: f64) -> bool {
        chance > 0.0 && self.script().random.random_bool(chance.min(1.0))
    }

    pub(crate) fn draw(&self, operation: Operation, key: &str) -> Fate {
        let Script { random, rules, .. } = &mut *self.script();
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

    /// Waits for the next release, or for so long. The caller must not be cancelled, or it counts as held for ever.
    pub(crate) async fn hold(&self, limit: Option<Duration>) {
        let mut releases = self.0.release_count.subscribe();
        self.0.held_count.send_modify(|count| *count += 1);
        match limit {
            Some(limit) => drop(tokio::time::timeout(limit, releases.changed()).await),
            None => drop(releases.changed().await),
        }
        self.0.held_count.send_modify(|count| *count -= 1);
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
