//! An in-memory store with scripted faults, for tests and measurements.
//!
//! It enforces conditions as every store must, and its content ends with the process. Each scripted fault affects
//! one operation, in script order; once the script is empty, operations succeed. Delays use tokio's clock, which
//! tests can pause.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use highlander_core::id::ObjectId;
use highlander_core::store::{Blob, Condition, ETag, Error, Page, PutOutcome, Store};
use parking_lot::Mutex;

/// Fault of one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutFault {
    /// No fault: a gap in the script.
    Nothing,
    /// Delays the write by this duration.
    Delay(Duration),
    /// The request is lost: the outcome is unknown, and the write is never applied.
    LostRequest,
    /// The answer is lost: the write is decided, but its outcome is unknown to the caller.
    LostAnswer,
    /// The outcome is unknown, and the write is decided only by [`Memory::release_held`].
    Held,
    /// The store cannot take the write now.
    Unavailable,
    /// The store denies the write.
    Denied,
}

/// Fault of one read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GetFault {
    /// No fault: a gap in the script.
    Nothing,
    /// Delays the read by this duration.
    Delay(Duration),
    /// No answer arrives.
    Unavailable,
    /// The store denies the read.
    Denied,
    /// Flips the lowest bit of the byte at this index, modulo the length of the blob.
    FlippedBit(usize),
    /// Only this many bytes arrive.
    Truncated(usize),
    /// Returns the blob as it was before its newest write.
    Stale,
}

/// A store in memory.
#[derive(Debug, Default)]
pub struct Memory {
    contents: Mutex<Contents>,
    latency: Duration,
    is_down: AtomicBool,
    is_silent: AtomicBool,
    put_count: AtomicU64,
    get_count: AtomicU64,
    object_get_count: AtomicU64,
}

#[derive(Debug, Default)]
struct Contents {
    blobs: BTreeMap<String, Versions>,
    newest_etag: u64,
    put_faults: VecDeque<PutFault>,
    /// Fault of every write that the script does not cover.
    every_put: Option<PutFault>,
    get_faults: VecDeque<GetFault>,
    held: Vec<Write>,
}

#[derive(Debug)]
struct Versions {
    newest: Blob,
    before: Option<Blob>,
}

#[derive(Debug)]
struct Write {
    name: String,
    bytes: Bytes,
    condition: Condition,
}

impl Contents {
    fn next_put_fault(&mut self) -> PutFault {
        let scripted = self.put_faults.pop_front().or_else(|| self.every_put.clone());
        scripted.unwrap_or(PutFault::Nothing)
    }

    fn decide(&mut self, write: Write) -> PutOutcome {
        let present = self.blobs.get(&write.name).map(|versions| &versions.newest.etag);
        let holds = match &write.condition {
            Condition::Absent => present.is_none(),
            Condition::Matches(etag) => present == Some(etag),
        };
        if holds {
            PutOutcome::Applied(self.write(write.name, write.bytes))
        } else {
            PutOutcome::PreconditionFailed
        }
    }

    fn write(&mut self, name: String, bytes: Bytes) -> ETag {
        self.newest_etag += 1;
        let etag = ETag::new(&self.newest_etag.to_string());
        let before = self.blobs.remove(&name).map(|versions| versions.newest);
        let newest = Blob { bytes, etag: etag.clone() };
        self.blobs.insert(name, Versions { newest, before });
        etag
    }
}

impl Memory {
    /// Creates an empty store that answers immediately.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty store in which every answer takes `latency`.
    #[must_use]
    pub fn with_latency(latency: Duration) -> Self {
        Self { latency, ..Self::default() }
    }

    /// Scripts the faults of the next writes.
    pub fn script_puts(&self, faults: impl IntoIterator<Item = PutFault>) {
        self.contents.lock().put_faults.extend(faults);
    }

    /// Scripts the faults of the next reads.
    pub fn script_gets(&self, faults: impl IntoIterator<Item = GetFault>) {
        self.contents.lock().get_faults.extend(faults);
    }

    /// Makes every operation fail until it is called with `false`. The script is paused.
    pub fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Makes requests hang without any answer, not even an error. Requests that hang then are never answered.
    pub fn set_silent(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::SeqCst);
    }

    /// Sets the fault of every further write that the script does not cover.
    pub fn set_every_put(&self, fault: Option<PutFault>) {
        self.contents.lock().every_put = fault;
    }

    /// Decides the held writes in order of arrival, as if they arrived now.
    pub fn release_held(&self) -> Vec<PutOutcome> {
        let mut contents = self.contents.lock();
        let held = std::mem::take(&mut contents.held);
        held.into_iter().map(|write| contents.decide(write)).collect()
    }

    /// Returns the number of held writes.
    #[must_use]
    pub fn held_count(&self) -> usize {
        self.contents.lock().held.len()
    }

    /// Writes a blob without condition, script or delay.
    pub fn plant(&self, name: &str, bytes: Bytes) -> ETag {
        self.contents.lock().write(name.to_owned(), bytes)
    }

    /// Reads a blob without script or delay.
    #[must_use]
    pub fn peek(&self, name: &str) -> Option<Blob> {
        self.contents.lock().blobs.get(name).map(|versions| versions.newest.clone())
    }

    /// Returns the number of writes that were requested, regardless of their outcome.
    #[must_use]
    pub fn put_count(&self) -> u64 {
        self.put_count.load(Ordering::SeqCst)
    }

    /// Returns the number of reads that were requested, regardless of their outcome.
    #[must_use]
    pub fn get_count(&self) -> u64 {
        self.get_count.load(Ordering::SeqCst)
    }

    /// Returns the number of these reads that were of objects. Nodes also read the records of types, at any time after
    /// a deployment.
    #[must_use]
    pub fn object_get_count(&self) -> u64 {
        self.object_get_count.load(Ordering::SeqCst)
    }

    fn is_down(&self) -> bool {
        self.is_down.load(Ordering::SeqCst)
    }

    async fn wait(&self, more: Duration) {
        if self.is_silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let pause = self.latency + more;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

fn no_answer() -> Error {
    Error::Unavailable("scripted: no answer".to_owned())
}

/// Returns the result of a read under `fault`.
fn seen(versions: Option<&Versions>, fault: &GetFault) -> Option<Blob> {
    let newest = &versions?.newest;
    let bytes = match *fault {
        GetFault::Stale => return versions?.before.clone(),
        GetFault::Truncated(length) => newest.bytes.slice(..length.min(newest.bytes.len())),
        GetFault::FlippedBit(place) => {
            let mut bytes = newest.bytes.to_vec();
            let place = place % bytes.len().max(1);
            bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1);
            bytes.into()
        }
        _ => newest.bytes.clone(),
    };
    Some(Blob { bytes, etag: newest.etag.clone() })
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, name: &str) -> Result<Option<Blob>, Error> {
        self.get_count.fetch_add(1, Ordering::SeqCst);
        if ObjectId::from_blob_key(name).is_some() {
            self.object_get_count.fetch_add(1, Ordering::SeqCst);
        }
        if self.is_down() {
            self.wait(Duration::ZERO).await;
            return Err(no_answer());
        }
        let fault = self.contents.lock().get_faults.pop_front().unwrap_or(GetFault::Nothing);
        self.wait(if let GetFault::Delay(delay) = fault { delay } else { Duration::ZERO }).await;
        match fault {
            GetFault::Unavailable => Err(no_answer()),
            GetFault::Denied => Err(Error::Denied("scripted: denied".to_owned())),
            fault => Ok(seen(self.contents.lock().blobs.get(name), &fault)),
        }
    }

    async fn put(&self, name: &str, bytes: Bytes, condition: Condition) -> PutOutcome {
        let undecided = || PutOutcome::Unknown("scripted: no answer".to_owned());
        self.put_count.fetch_add(1, Ordering::SeqCst);
        if self.is_down() {
            self.wait(Duration::ZERO).await;
            return undecided();
        }
        let fault = self.contents.lock().next_put_fault();
        self.wait(if let PutFault::Delay(delay) = fault { delay } else { Duration::ZERO }).await;
        let write = Write { name: name.to_owned(), bytes, condition };
        match fault {
            PutFault::Nothing | PutFault::Delay(_) => self.contents.lock().decide(write),
            PutFault::LostRequest => undecided(),
            PutFault::LostAnswer => {
                self.contents.lock().decide(write);
                undecided()
            }
            PutFault::Held => {
                self.contents.lock().held.push(write);
                undecided()
            }
            PutFault::Unavailable => PutOutcome::Unavailable("scripted: full".to_owned()),
            PutFault::Denied => PutOutcome::Rejected("scripted: denied".to_owned()),
        }
    }

    async fn delete(&self, name: &str) -> Result<(), Error> {
        self.wait(Duration::ZERO).await;
        if self.is_down() {
            return Err(no_answer());
        }
        self.contents.lock().blobs.remove(name);
        Ok(())
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        self.wait(Duration::ZERO).await;
        if self.is_down() {
            return Err(no_answer());
        }
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let contents = self.contents.lock();
        let names = contents.blobs.range::<str, _>((from, Bound::Unbounded)).map(|(name, _)| name);
        let mut names = names.take_while(|name| name.starts_with(prefix)).cloned();
        let page = names.by_ref().take(limit).collect();
        Ok(Page { names: page, has_more: names.next().is_some() })
    }
}

#[cfg(test)]
mod tests;
