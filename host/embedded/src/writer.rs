//! The writer thread. It takes all waiting writes, checks their conditions in order of arrival, commits them as one
//! batch with a single fsync (**group commit**), and then answers all of them.
//!
//! As the only writer, it can check conditions first and write later. After a batch with an unknown outcome it
//! rejects every further write, because a later batch could not be told apart from the uncertain one after a
//! restart.

use std::collections::HashSet;

use bytes::Bytes;
use highlander_core::store::{Condition, ETag, PutOutcome};
use tokio::sync::{mpsc, oneshot};

/// Maximum number of writes in a batch.
const BATCH_COUNT_MAX: usize = 256;
/// Size from which a batch takes no further write.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A queued write.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) name: String,
    pub(super) change: Change,
    pub(super) answer: oneshot::Sender<PutOutcome>,
}

/// Change that a write makes to its blob.
#[derive(Debug)]
pub(super) enum Change {
    /// Sets the content if the condition holds.
    Content(Bytes, Condition),
    /// Removes the blob.
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

/// Write whose condition holds.
#[derive(Debug)]
pub(super) struct Accepted<'a> {
    pub(super) name: &'a str,
    /// `None` if the blob is removed.
    pub(super) bytes: Option<&'a Bytes>,
    pub(super) etag: u64,
}

/// Database operations that the writer needs.
pub(super) trait Disk {
    /// Returns the number of the newest write of `name`, or an error if the blob cannot be read.
    fn etag(&self, name: &str) -> Result<Option<u64>, String>;

    /// Checks that there is space for `bytes` more. The error describes the shortage.
    fn check_room(&self, bytes: usize) -> Result<(), String>;

    /// Commits `writes` durably, all or none. After an error the outcome is unknown.
    fn commit(&self, writes: &[Accepted<'_>]) -> Result<(), String>;
}

/// Processes writes until the queue is closed and empty.
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
            // The caller may be gone; the write took place anyway.
            let _ = write.answer.send(outcome);
        }
    }
}

struct Writer<'a, D> {
    disk: &'a D,
    newest_etag: u64,
    /// Reason why no further write is accepted.
    failed: Option<String>,
}

impl<D: Disk> Writer<'_, D> {
    /// Returns one outcome for each write of `batch`.
    fn write(&mut self, batch: &[Write], byte_count: usize) -> Vec<PutOutcome> {
        let unavailable =
            |why: &str| batch.iter().map(|_| PutOutcome::Unavailable(why.to_owned())).collect();
        if let Some(why) = &self.failed {
            return unavailable(why);
        }
        // A full disk is detected before it can tear a batch. Writes resume once there is space, without a restart.
        if let Err(why) = self.disk.check_room(byte_count) {
            return unavailable(&why);
        }
        let mut accepted: Vec<Accepted<'_>> = Vec::with_capacity(batch.len());
        let mut names = HashSet::with_capacity(batch.len());
        let mut outcomes = Vec::with_capacity(batch.len());
        for write in batch {
            // A second write of a name in the same batch fails its precondition. Its caller cannot have seen the
            // outcome of the first: neither that the blob is absent nor its new ETag.
            let outcome = if names.contains(write.name.as_str()) {
                PutOutcome::PreconditionFailed
            } else {
                self.decide(write)
            };
            if let PutOutcome::Applied(_) = outcome {
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
            let why = format!("{why}; the store accepts no more writes until it is reopened");
            tracing::error!(%why, "the embedded store cannot write");
            let undecided = batch.iter().map(|_| PutOutcome::Unknown(why.clone())).collect();
            self.failed = Some(why);
            return undecided;
        }
        outcomes
    }

    /// Returns the outcome of `write`, provided that the batch is committed. An accepted write takes the next ETag.
    fn decide(&mut self, write: &Write) -> PutOutcome {
        let present = match self.disk.etag(&write.name) {
            Ok(present) => present,
            // Whether an earlier attempt succeeded cannot be read either.
            Err(why) => return PutOutcome::Unavailable(why),
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
            return PutOutcome::PreconditionFailed;
        }
        self.newest_etag += 1;
        PutOutcome::Applied(ETag::new(&self.newest_etag.to_string()))
    }
}

#[cfg(test)]
mod tests;
