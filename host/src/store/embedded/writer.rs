//! The one thread that writes: it takes all writes that wait, checks their conditions in the order in which they came,
//! and makes one batch of them, durable with one fsync (**group commit**). All are answered after it.
//!
//! Being the only writer, it may check first and write later. After a batch whose fate is unknown it writes nothing
//! any more, because a later batch could not be told from it after a restart.

use std::collections::HashSet;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::store::{Condition, ETag, Put};

/// Writes in one batch at most.
const BATCH_COUNT_MAX: usize = 256;
/// A batch takes no further write when it has these many bytes.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A write that waits.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) name: String,
    pub(super) change: Change,
    pub(super) answer: oneshot::Sender<Put>,
}

/// What a write does to its blob.
#[derive(Debug)]
pub(super) enum Change {
    /// It has this content, if the condition holds.
    Content(Bytes, Condition),
    /// It is no more.
    Removal,
}

impl Change {
    fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Content(bytes, _) => Some(bytes),
            Self::Removal => None,
        }
    }

    fn len(&self) -> usize {
        self.bytes().map_or(0, Bytes::len)
    }
}

/// A write whose condition holds.
#[derive(Debug)]
pub(super) struct Accepted<'a> {
    pub(super) name: &'a str,
    /// Nothing where the blob is removed.
    pub(super) bytes: Option<&'a Bytes>,
    pub(super) etag: u64,
}

/// What the writer needs of a database.
pub(super) trait Disk {
    /// The newest write of `name`; an error is a blob that cannot be read.
    fn etag(&self, name: &str) -> Result<Option<u64>, String>;

    /// Whether there is room for `bytes` more; an error is why not.
    fn check_room(&self, bytes: usize) -> Result<(), String>;

    /// Makes `writes` durable, all or none; after an error it is not known which.
    fn commit(&self, writes: &[Accepted<'_>]) -> Result<(), String>;
}

/// Writes until the queue is closed and empty.
pub(super) fn run(disk: &impl Disk, newest_etag: u64, mut queue: mpsc::Receiver<Write>) {
    let mut writer = Writer { disk, newest_etag, failed: None };
    while let Some(first) = queue.blocking_recv() {
        let mut byte_count = first.change.len();
        let mut batch = vec![first];
        while batch.len() < BATCH_COUNT_MAX && byte_count < BATCH_BYTES_MAX {
            let Ok(next) = queue.try_recv() else { break };
            byte_count += next.change.len();
            batch.push(next);
        }
        let outcomes = writer.write(&batch, byte_count);
        for (write, outcome) in batch.into_iter().zip(outcomes) {
            // Nobody waits any more: the write took place all the same.
            let _ = write.answer.send(outcome);
        }
    }
}

struct Writer<'a, D> {
    disk: &'a D,
    newest_etag: u64,
    /// Why nothing is written any more.
    failed: Option<String>,
}

impl<D: Disk> Writer<'_, D> {
    /// One outcome for each write of `batch`.
    fn write(&mut self, batch: &[Write], byte_count: usize) -> Vec<Put> {
        let unavailable =
            |why: &str| batch.iter().map(|_| Put::Unavailable(why.to_owned())).collect();
        if let Some(why) = &self.failed {
            return unavailable(why);
        }
        // A full disk is met before it can tear a batch: writes go on when there is room again, without a restart.
        if let Err(why) = self.disk.check_room(byte_count) {
            return unavailable(&why);
        }
        let mut accepted: Vec<Accepted<'_>> = Vec::with_capacity(batch.len());
        let mut names = HashSet::with_capacity(batch.len());
        let mut outcomes = Vec::with_capacity(batch.len());
        for write in batch {
            // A second write of a name in one batch knows neither that it is absent nor the ETag that it has now.
            let outcome =
                if names.contains(write.name.as_str()) { Put::Refused } else { self.decide(write) };
            if let Put::Applied(_) = outcome {
                names.insert(write.name.as_str());
                let (name, bytes) = (write.name.as_str(), write.change.bytes());
                accepted.push(Accepted { name, bytes, etag: self.newest_etag });
            }
            outcomes.push(outcome);
        }
        if accepted.is_empty() {
            return outcomes;
        }
        if let Err(why) = self.disk.commit(&accepted) {
            let why = format!("{why}; the store takes no more writes until it is opened again");
            tracing::error!(%why, "the embedded store cannot write");
            let undecided = batch.iter().map(|_| Put::Undecided(why.clone())).collect();
            self.failed = Some(why);
            return undecided;
        }
        outcomes
    }

    /// What comes of `write` if the batch is made durable; an accepted one has the newest ETag.
    fn decide(&mut self, write: &Write) -> Put {
        let present = match self.disk.etag(&write.name) {
            Ok(present) => present,
            // Whether an earlier attempt took place cannot be read either.
            Err(why) => return Put::Unavailable(why),
        };
        let holds = match (&write.change, present) {
            (Change::Removal, _) => true,
            (Change::Content(_, Condition::Absent), present) => present.is_none(),
            (Change::Content(_, Condition::Matches(etag)), Some(present)) => {
                *etag == ETag::new(&present.to_string())
            }
            (Change::Content(_, Condition::Matches(_)), None) => false,
        };
        if !holds {
            return Put::Refused;
        }
        self.newest_etag += 1;
        Put::Applied(ETag::new(&self.newest_etag.to_string()))
    }
}

#[cfg(test)]
mod tests;
