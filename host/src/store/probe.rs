//! Whether a store decides conditional writes as it must, asked at each start.
//!
//! Four writes, two of which must fail, reads between them, and a short race of several writers. Everything happens to
//! one blob, `probe/conditions.json`, whose number only grows: nothing piles up, and nodes that start at the same
//! moment do not take each other's writes for the store's faults.
//!
//! A store that ignores conditions is always found. One that checks and writes in two steps is found by chance: if one
//! of 800 races has two winners, a start with [`START_ROUND_COUNT`] rounds finds it once in a hundred times, and 2,000
//! rounds find it nine times in ten. The probe keeps the wrong store out; it does not prove a store right.

use std::cmp::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use super::{Blob, Condition, ETag, Put, Store};
use crate::id::Hex;

/// The one blob.
pub const NAME: &str = "probe/conditions.json";
/// Races at each start: a fraction of a second, and a fraction of a cent.
pub const START_ROUND_COUNT: usize = 8;
/// Writers of one race.
const RACER_COUNT: usize = 8;
/// How often a step is tried while the store does not answer.
const ATTEMPT_COUNT_MAX: u32 = 4;
/// After the first of them; twice as long after each of the next.
const PAUSE: Duration = Duration::from_millis(50);
/// How often a write is tried while other nodes are faster. A whole fleet that starts at once is through long before.
const LOST_COUNT_MAX: u32 = 40;
/// Longest pause after a write that another node was faster with.
const LOST_PAUSE_MAX: Duration = Duration::from_millis(200);

/// Why a store is not to be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It wrote over a blob that had to be absent.
    #[error(
        "the store ignores If-None-Match: it replaced a blob that was to be made only if absent{REFUSED}"
    )]
    IgnoresIfNoneMatch,
    /// It wrote over a blob that had changed.
    #[error("the store ignores If-Match: it replaced a blob that had changed{REFUSED}")]
    IgnoresIfMatch,
    /// It told several writers that they had replaced the same content.
    #[error(
        "the store does not decide conditional writes one by one: {winner_count} of {RACER_COUNT} writers won in \
             race {round}{REFUSED}"
    )]
    SeveralWinners {
        /// In which race, from 1; 0 is before the first.
        round: usize,
        /// How many won.
        winner_count: usize,
    },
    /// A read did not show a write that was answered before.
    #[error(
        "the store answers reads with what was there before a write that it had answered{REFUSED}"
    )]
    StaleRead,
    /// Writes and reads name the same content differently.
    #[error(
        "the store names a content {written:?} when it is written and {read:?} when it is read, so that no \
             condition on it can hold{REFUSED}"
    )]
    ETagsDiffer {
        /// As the write was answered.
        written: String,
        /// As it was read.
        read: String,
    },
    /// A condition that must hold was refused.
    #[error("the store refuses a conditional write whose condition holds{REFUSED}")]
    RefusesWhatHolds,
    /// Writes take place, and are answered in a way that cannot be used.
    #[error("the store writes, but does not tell the ETag: {0}{REFUSED}")]
    NoETag(String),
    /// It does not let itself be asked.
    #[error("the store refuses: {0}")]
    Denied(String),
    /// It answers, and other nodes that check it at the same time were always faster: nothing is wrong.
    #[error("the store is being checked by other nodes too, and they were always faster")]
    Busy,
    /// It does not answer, or not in time: nothing is known about it.
    #[error("the store cannot be checked: {0}")]
    Unavailable(String),
}

/// The end of what every finding says.
const REFUSED: &str =
    "; records would be lost, so it is not used: take a store that enforces conditional writes";

/// What the blob says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    /// One more than in the content that this one replaced.
    number: u64,
    /// New for each write.
    write_id: String,
}

impl Content {
    fn after(before: Option<&Self>) -> Self {
        let random: [u8; 16] = rand::rng().random();
        let number = before.map_or(0, |content| content.number).saturating_add(1);
        Self { number, write_id: Hex(&random).to_string() }
    }

    /// What cannot be read counts as the beginning: somebody put it there, and it is written over.
    fn of(blob: &Blob) -> Self {
        let beginning = Self { number: 0, write_id: String::new() };
        serde_json::from_slice(&blob.bytes).unwrap_or(beginning)
    }

    fn bytes(&self) -> Bytes {
        format!("{{\"number\":{},\"write_id\":\"{}\"}}\n", self.number, self.write_id).into()
    }
}

/// One content and what the store calls it.
#[derive(Debug, Clone)]
struct Known {
    content: Content,
    etag: ETag,
}

/// One check of one store.
#[derive(Debug)]
struct Probe<'a> {
    store: &'a dyn Store,
    /// Writes that were answered with an ETag.
    told_count: usize,
    /// Writes that took place without such an answer, as a read showed.
    untold_count: usize,
    /// Why the newest of them was not told.
    unclear: String,
}

/// Checks a store as every start does.
///
/// # Errors
/// See [`Error`]: only after [`Error::Unavailable`] and [`Error::Busy`] is there a point in trying again.
///
/// # Cancel safety
/// It can be begun anew at any time.
pub async fn check(store: &dyn Store) -> Result<(), Error> {
    check_rounds(store, START_ROUND_COUNT).await
}

/// Checks a store with so many races.
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
    // One lost answer is the network's; an answer that is never there is the store's.
    if probe.told_count == 0 && probe.untold_count > 1 {
        Err(Error::NoETag(probe.unclear))
    } else {
        Ok(())
    }
}

impl Probe<'_> {
    /// The four writes.
    async fn check_conditions(&mut self) -> Result<Known, Error> {
        // Another node may write between two of these steps; what must fail fails all the same.
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

    /// A write that must take place, on what is there or on what another node put there meanwhile, and is read back.
    async fn write(&mut self, mut before: Option<Known>) -> Result<Known, Error> {
        for _ in 0..LOST_COUNT_MAX {
            let content = Content::after(before.as_ref().map(|known| &known.content));
            let condition = match &before {
                Some(known) => Condition::Matches(known.etag.clone()),
                None => Condition::Absent,
            };
            let written = self.settle(&content, condition).await?;
            let found = self.read().await?;
            if let Some(etag) = written {
                return confirmed(&Known { content, etag }, found, 0);
            }
            let etag = |known: &Option<Known>| known.as_ref().map(|known| known.etag.clone());
            // Refused, although nobody else was faster.
            if etag(&found) == etag(&before) {
                return Err(Error::RefusesWhatHolds);
            }
            before = found;
            // Of random length: nodes that start together must not go on in step.
            tokio::time::sleep(LOST_PAUSE_MAX.mul_f64(rand::rng().random())).await;
        }
        Err(Error::Busy)
    }

    /// Several writers on the same content: one may win, or none where another node was faster.
    async fn race(&mut self, known: Known, round: usize) -> Result<Known, Error> {
        let contents: Vec<_> =
            (0..RACER_COUNT).map(|_| Content::after(Some(&known.content))).collect();
        let condition = Condition::Matches(known.etag);
        let puts =
            contents.iter().map(|content| self.store.put(NAME, content.bytes(), condition.clone()));
        let puts = join_all(puts).await;
        let mut winners = Vec::new();
        for (content, put) in contents.iter().cloned().zip(puts) {
            match put {
                Put::Applied(etag) => winners.push(Known { content, etag }),
                Put::Refused => {}
                Put::Undecided(reason) | Put::Unavailable(reason) => self.unclear = reason,
                Put::Denied(reason) => return Err(Error::Denied(reason)),
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

    /// Sends a write until it is decided: its ETag, or nothing where it was refused.
    async fn settle(
        &mut self,
        content: &Content,
        condition: Condition,
    ) -> Result<Option<ETag>, Error> {
        let mut is_repeated = false;
        for attempt in 0..ATTEMPT_COUNT_MAX {
            match self.store.put(NAME, content.bytes(), condition.clone()).await {
                Put::Applied(etag) => {
                    self.told_count += 1;
                    return Ok(Some(etag));
                }
                Put::Refused if !is_repeated => return Ok(None),
                Put::Refused => {
                    // An earlier attempt may have been the one that took place.
                    let found = self.read().await?.filter(|found| found.content == *content);
                    self.untold_count += usize::from(found.is_some());
                    return Ok(found.map(|found| found.etag));
                }
                Put::Undecided(reason) | Put::Unavailable(reason) => self.unclear = reason,
                Put::Denied(reason) => return Err(Error::Denied(reason)),
            }
            is_repeated = true;
            pause(attempt).await;
        }
        // While several nodes write, some stores decide on none of their writes for a moment. Once another one is
        // through, this one cannot take place any more.
        match self.read().await? {
            Some(found) if found.content == *content => {
                self.untold_count += 1;
                Ok(Some(found.etag))
            }
            Some(found) if found.content.number >= content.number => Ok(None),
            _ => Err(Error::Unavailable(self.unclear.clone())),
        }
    }

    async fn read(&self) -> Result<Option<Known>, Error> {
        let mut unavailable = String::new();
        for attempt in 0..ATTEMPT_COUNT_MAX {
            match self.store.get(NAME).await {
                Ok(blob) => {
                    return Ok(
                        blob.map(|blob| Known { content: Content::of(&blob), etag: blob.etag })
                    );
                }
                Err(super::Error::Denied(reason) | super::Error::Damaged(reason)) => {
                    return Err(Error::Denied(reason));
                }
                Err(super::Error::Unavailable(reason)) => unavailable = reason,
            }
            pause(attempt).await;
        }
        Err(Error::Unavailable(unavailable))
    }
}

/// What was read after a write that was answered, if it shows that write or one that was built on it.
fn confirmed(written: &Known, found: Option<Known>, round: usize) -> Result<Known, Error> {
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
