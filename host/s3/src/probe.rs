//! Startup check that a store enforces conditional writes.
//!
//! The probe makes four writes, two of which must fail, with reads between them, and then races several writers. It
//! uses a single blob, `probe/conditions.json`, whose number only rises. So nothing accumulates, and nodes that
//! start concurrently do not mistake each other's writes for faults of the store.
//!
//! A store that ignores conditions is always detected. A store that checks and writes in two steps is detected by
//! chance. If one of 800 races has two winners, a start with [`START_ROUND_COUNT`] rounds detects it once in a
//! hundred times, and 2,000 rounds detect it nine times in ten. The probe rejects unsuitable stores; it does not
//! prove a store correct.

use std::cmp::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use highlander_core::id::Hex;
use highlander_core::store::{Blob, Condition, ETag, PutOutcome, Store};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

/// Name of the probe's only blob.
pub const NAME: &str = "probe/conditions.json";
/// Races per start: they take a fraction of a second and cost a fraction of a cent.
pub const START_ROUND_COUNT: usize = 8;
/// Writers per race.
const RACER_COUNT: usize = 8;
/// Attempts per step while the store does not answer.
const ATTEMPT_COUNT_MAX: u32 = 4;
/// Pause after the first attempt; it doubles after each further one.
const PAUSE: Duration = Duration::from_millis(50);
/// Attempts per write while other nodes win. A whole fleet that starts at once finishes well below this limit.
const LOST_COUNT_MAX: u32 = 40;
/// Longest pause after losing a write to another node.
const LOST_PAUSE_MAX: Duration = Duration::from_millis(200);

/// Reason why a store must not be used, or could not be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store overwrote a blob that had to be absent.
    #[error("the store ignores If-None-Match: it replaced a blob that had to be absent{REFUSED}")]
    IgnoresIfNoneMatch,
    /// The store overwrote a blob that had changed.
    #[error("the store ignores If-Match: it replaced a blob that had changed{REFUSED}")]
    IgnoresIfMatch,
    /// The store reported success to several writers that replaced the same content.
    #[error(
        "conditional writes to the store are not atomic: {winner_count} of {RACER_COUNT} writers won in race \
         {round}{REFUSED}"
    )]
    SeveralWinners {
        /// Number of the race, from 1; 0 is before the first race.
        round: usize,
        /// Number of winners.
        winner_count: usize,
    },
    /// A read did not show a write that was answered before.
    #[error(
        "the store returns stale reads: a read did not return a write that the store had confirmed{REFUSED}"
    )]
    StaleRead,
    /// Writes and reads return different ETags for the same content.
    #[error(
        "the store returns the ETag {written:?} for a write and {read:?} for a read of the same content, so no \
         condition on it can hold{REFUSED}"
    )]
    ETagsDiffer {
        /// ETag returned by the write.
        written: String,
        /// ETag returned by the read.
        read: String,
    },
    /// The store rejected a write whose condition holds.
    #[error("the store rejects a conditional write whose condition holds{REFUSED}")]
    RefusesWhatHolds,
    /// Writes take place, but their answers cannot be used.
    #[error("the store writes, but does not return the ETag: {0}{REFUSED}")]
    NoETag(String),
    /// The store denied the probe.
    #[error("the store rejects the request: {0}")]
    Denied(String),
    /// The store answers, but other nodes that check it concurrently won every write. This is not a fault of the
    /// store.
    #[error("the store cannot be checked: other nodes are checking it too, and won every write")]
    Busy,
    /// The store does not answer, or not in time, so its behaviour is unknown.
    #[error("the store cannot be checked: {0}")]
    Unavailable(String),
}

/// Common end of every finding's message.
const REFUSED: &str = "; the node does not use it, because records would be lost: choose a store that enforces \
                       conditional writes";

/// Content of the blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    /// One more than in the content that this one replaced.
    number: u64,
    /// Unique for each write.
    write_id: String,
}

impl Content {
    fn after(before: Option<&Self>) -> Self {
        let random: [u8; 16] = rand::rng().random();
        let number = before.map_or(0, |content| content.number).saturating_add(1);
        Self { number, write_id: Hex(&random).to_string() }
    }

    /// Parses a blob. Unreadable content, which another program wrote, counts as number 0 and is overwritten.
    fn of(blob: &Blob) -> Self {
        let beginning = Self { number: 0, write_id: String::new() };
        serde_json::from_slice(&blob.bytes).unwrap_or(beginning)
    }

    fn bytes(&self) -> Bytes {
        format!("{{\"number\":{},\"write_id\":\"{}\"}}\n", self.number, self.write_id).into()
    }
}

/// Content and its ETag.
#[derive(Debug, Clone)]
struct ProbeState {
    content: Content,
    etag: ETag,
}

/// One check of one store.
#[derive(Debug)]
struct Probe<'a> {
    store: &'a dyn Store,
    /// Number of writes that were answered with an ETag.
    told_count: usize,
    /// Number of writes that a read showed to have taken place although they had no such answer.
    untold_count: usize,
    /// Error message of the newest unanswered write.
    unclear: String,
}

/// Checks a store as every start does.
///
/// # Errors
/// See [`Error`]. Only [`Error::Unavailable`] and [`Error::Busy`] are worth a retry.
///
/// # Cancel safety
/// The check writes only its own blob, and can be restarted at any time.
pub async fn check(store: &dyn Store) -> Result<(), Error> {
    check_rounds(store, START_ROUND_COUNT).await
}

/// Checks a store with `round_count` races.
///
/// # Errors
/// As [`check`].
///
/// # Cancel safety
/// As [`check`].
pub async fn check_rounds(store: &dyn Store, round_count: usize) -> Result<(), Error> {
    let mut probe = Probe { store, told_count: 0, untold_count: 0, unclear: String::new() };
    let mut known = probe.check_conditions().await?;
    for round in 1..=round_count {
        known = probe.race(known, round).await?;
    }
    // A single lost answer is the network's fault; answers that never carry an ETag are the store's.
    if probe.told_count == 0 && probe.untold_count > 1 {
        Err(Error::NoETag(probe.unclear))
    } else {
        Ok(())
    }
}

impl Probe<'_> {
    /// Performs the four writes.
    async fn check_conditions(&mut self) -> Result<ProbeState, Error> {
        // Another node may write between two of these steps; the writes that must fail still fail.
        let first = match self.read().await? {
            Some(known) => known,
            None => self.write(None).await?,
        };
        let intruder = Content::after(Some(&first.content));
        if self.settle(&intruder, Condition::Absent).await?.is_some() {
            return Err(Error::IgnoresIfNoneMatch);
        }
        let second = self.write(Some(first.clone())).await?;
        let late = Content::after(Some(&first.content));
        if self.settle(&late, Condition::Matches(first.etag)).await?.is_some() {
            return Err(Error::IgnoresIfMatch);
        }
        Ok(second)
    }

    /// Performs a write that must succeed, on the present content or on what another node wrote concurrently, and
    /// reads it back.
    async fn write(&mut self, mut before: Option<ProbeState>) -> Result<ProbeState, Error> {
        for _ in 0..LOST_COUNT_MAX {
            let content = Content::after(before.as_ref().map(|known| &known.content));
            let condition = match &before {
                Some(known) => Condition::Matches(known.etag.clone()),
                None => Condition::Absent,
            };
            let written = self.settle(&content, condition).await?;
            let found = self.read().await?;
            if let Some(etag) = written {
                return confirmed(&ProbeState { content, etag }, found, 0);
            }
            let etag = |known: &Option<ProbeState>| known.as_ref().map(|known| known.etag.clone());
            // The write was refused although no other node had written.
            if etag(&found) == etag(&before) {
                return Err(Error::RefusesWhatHolds);
            }
            before = found;
            // Randomized, so that nodes that start together do not stay in step.
            tokio::time::sleep(LOST_PAUSE_MAX.mul_f64(rand::rng().random())).await;
        }
        Err(Error::Busy)
    }

    /// Races several writers on the same content. At most one may win; none wins if another node was faster.
    async fn race(&mut self, known: ProbeState, round: usize) -> Result<ProbeState, Error> {
        let contents: Vec<_> =
            (0..RACER_COUNT).map(|_| Content::after(Some(&known.content))).collect();
        let condition = Condition::Matches(known.etag);
        let puts =
            contents.iter().map(|content| self.store.put(NAME, content.bytes(), condition.clone()));
        let puts = join_all(puts).await;
        let mut winners = Vec::new();
        for (content, put) in contents.iter().cloned().zip(puts) {
            match put {
                PutOutcome::Applied(etag) => winners.push(ProbeState { content, etag }),
                PutOutcome::PreconditionFailed => {}
                PutOutcome::Unknown(reason) | PutOutcome::Unavailable(reason) => {
                    self.unclear = reason;
                }
                PutOutcome::Rejected(reason) => return Err(Error::Denied(reason)),
            }
        }
        if winners.len() > 1 {
            return Err(Error::SeveralWinners { round, winner_count: winners.len() });
        }
        let found = self.read().await?;
        if let Some(winner) = winners.pop() {
            self.told_count += 1;
            return confirmed(&winner, found, round);
        }
        let found = found.ok_or(Error::StaleRead)?;
        self.untold_count += usize::from(contents.contains(&found.content));
        Ok(found)
    }

    /// Sends a write until its outcome is known. Returns its ETag, or `None` if it was refused.
    async fn settle(
        &mut self,
        content: &Content,
        condition: Condition,
    ) -> Result<Option<ETag>, Error> {
        let mut is_repeated = false;
        for attempt in 0..ATTEMPT_COUNT_MAX {
            match self.store.put(NAME, content.bytes(), condition.clone()).await {
                PutOutcome::Applied(etag) => {
                    self.told_count += 1;
                    return Ok(Some(etag));
                }
                PutOutcome::PreconditionFailed if !is_repeated => return Ok(None),
                PutOutcome::PreconditionFailed => {
                    // An earlier attempt may have succeeded.
                    let found = self.read().await?.filter(|found| found.content == *content);
                    self.untold_count += usize::from(found.is_some());
                    return Ok(found.map(|found| found.etag));
                }
                PutOutcome::Unknown(reason) | PutOutcome::Unavailable(reason) => {
                    self.unclear = reason;
                }
                PutOutcome::Rejected(reason) => return Err(Error::Denied(reason)),
            }
            is_repeated = true;
            pause(attempt).await;
        }
        // While several nodes write, some stores decide none of their writes for a moment. Once another write has
        // succeeded, this one can no longer take place.
        match self.read().await? {
            Some(found) if found.content == *content => {
                self.untold_count += 1;
                Ok(Some(found.etag))
            }
            Some(found) if found.content.number >= content.number => Ok(None),
            _ => Err(Error::Unavailable(self.unclear.clone())),
        }
    }

    async fn read(&self) -> Result<Option<ProbeState>, Error> {
        let mut unavailable = String::new();
        for attempt in 0..ATTEMPT_COUNT_MAX {
            match self.store.get(NAME).await {
                Ok(blob) => {
                    return Ok(blob
                        .map(|blob| ProbeState { content: Content::of(&blob), etag: blob.etag }));
                }
                Err(
                    highlander_core::store::Error::Denied(reason)
                    | highlander_core::store::Error::Damaged(reason),
                ) => {
                    return Err(Error::Denied(reason));
                }
                Err(highlander_core::store::Error::Unavailable(reason)) => unavailable = reason,
            }
            pause(attempt).await;
        }
        Err(Error::Unavailable(unavailable))
    }
}

/// Returns the content read after an answered write, if it shows that write or a later one built on it.
fn confirmed(
    written: &ProbeState,
    found: Option<ProbeState>,
    round: usize,
) -> Result<ProbeState, Error> {
    let found = found.ok_or(Error::StaleRead)?;
    if found.content == written.content {
        return if found.etag == written.etag {
            Ok(found)
        } else {
            let (written, read) =
                (written.etag.as_str().to_owned(), found.etag.as_str().to_owned());
            Err(Error::ETagsDiffer { written, read })
        };
    }
    match found.content.number.cmp(&written.content.number) {
        Ordering::Less => Err(Error::StaleRead),
        // Another write on the same content took place too, whatever its answer was.
        Ordering::Equal => Err(Error::SeveralWinners { round, winner_count: 2 }),
        Ordering::Greater => Ok(found),
    }
}

async fn pause(attempt: u32) {
    tokio::time::sleep(PAUSE * 2_u32.saturating_pow(attempt.min(5))).await;
}

#[cfg(test)]
mod tests;
