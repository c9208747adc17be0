//! The blobs: an in-memory index over one file per content, and conditional writes.
//!
//! A mutex per key makes check, file and index of a write atomic. A write runs in a separate task, so a client
//! that disconnects cannot leave it half done. Once the server is stopping, no write takes place.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::faults::{Fate, Fault, Faults};

mod files;

use files::Files;

/// Precondition of a write. ETags are without quotes here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    None,
    Absent,
    Present,
    Matches(String),
}

/// Reason why a write did not take place.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The precondition does not hold for the present blob.
    Mismatch,
    /// The precondition requires a blob, and none exists.
    Absent,
    /// The write lost against a concurrent one; distinguished only if a quirk requires it.
    LostRace,
    /// The server is stopping.
    Stopping,
    File(io::Error),
}

/// One content of a blob.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) etag: String,
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
    /// Number of its file, higher with each write.
    file: u64,
}

#[derive(Debug)]
struct Entry {
    newest: Version,
    /// Its file stays until the next write, for readers that are about to open it, and for stale reads.
    before: Option<Version>,
}

/// All blobs of the bucket.
#[derive(Debug)]
pub(crate) struct Blobs {
    files: Files,
    index: Mutex<BTreeMap<String, Entry>>,
    /// A mutex for each key with a write in progress.
    keys: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    newest_file: AtomicU64,
    faults: Faults,
    is_stopping: watch::Receiver<bool>,
}

/// A write as the client requested it.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) key: String,
    pub(crate) bytes: Bytes,
    pub(crate) condition: Condition,
    pub(crate) fate: Fate,
}

impl Blobs {
    /// Reads the folder; blocks.
    pub(crate) fn open(
        dir: &Path,
        is_durable: bool,
        faults: Faults,
        is_stopping: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let (files, found) = Files::open(dir, is_durable)?;
        let mut index = BTreeMap::<String, Entry>::new();
        let mut newest_file = 0;
        // In the order of writing, so that the newest file of a key remains.
        for (key, version) in found {
            newest_file = version.file;
            if let Some(older) = index.insert(key, Entry { newest: version, before: None }) {
                files.remove(older.newest.file)?;
            }
        }
        let (index, newest_file) = (Mutex::new(index), AtomicU64::new(newest_file));
        let keys = Mutex::default();
        Ok(Self { files, index, keys, newest_file, faults, is_stopping })
    }

    /// Applies or rejects a write, and returns the ETag once it is durable.
    ///
    /// # Cancel safety
    /// The write is still applied or rejected.
    pub(crate) async fn put(self: &Arc<Self>, write: Write) -> Result<String, Refusal> {
        let blobs = Arc::clone(self);
        let deciding = tokio::spawn(async move { blobs.hold_and_decide(write).await });
        deciding.await.unwrap_or(Err(Refusal::Stopping))
    }

    async fn hold_and_decide(self: Arc<Self>, write: Write) -> Result<String, Refusal> {
        let mut is_stopping = self.is_stopping.clone();
        let limit = match write.fate.fault {
            Some(Fault::Hold) => Some(None),
            Some(Fault::HoldFor(limit)) => Some(Some(limit)),
            _ => None,
        };
        if let Some(limit) = limit {
            tokio::select! {
                () = self.faults.hold(limit) => {}
                _ = is_stopping.wait_for(|is_stopping| *is_stopping) => {}
            }
        }
        if self.faults.happens(self.faults.quirks().races) {
            return self.decide(write, false).await;
        }
        let mutex = self.mutex_of(&write.key);
        let is_contended = mutex.try_lock().is_err();
        let guard = mutex.lock().await;
        let key = write.key.clone();
        let outcome = self.decide(write, is_contended).await;
        drop(guard);
        self.forget_mutex(&key, &mutex);
        outcome
    }

    async fn decide(self: &Arc<Self>, write: Write, is_contended: bool) -> Result<String, Refusal> {
        let quirks = self.faults.quirks();
        match self.check(&write) {
            Err(_) if is_contended && quirks.answers_losers_with_500 => {
                return Err(Refusal::LostRace);
            }
            checked => checked?,
        }
        let etag = etag_of(&write.bytes);
        let blobs = Arc::clone(self);
        let version = Version {
            etag: etag.clone(),
            size: write.bytes.len() as u64,
            modified: SystemTime::UNIX_EPOCH,
            file: self.newest_file.fetch_add(1, Ordering::SeqCst) + 1,
        };
        let writing = tokio::task::spawn_blocking(move || {
            if *blobs.is_stopping.borrow() {
                return Err(Refusal::Stopping);
            }
            let version =
                blobs.files.write(&write.key, version, &write.bytes).map_err(Refusal::File)?;
            blobs.enter(write.key, version).map_err(Refusal::File)
        });
        writing.await.unwrap_or(Err(Refusal::Stopping))?;
        Ok(etag)
    }

    fn check(&self, write: &Write) -> Result<(), Refusal> {
        let index = self.index.lock();
        let present = index.get(&write.key).map(|entry| &entry.newest.etag);
        match (&write.condition, present) {
            (Condition::None, _) | (Condition::Absent, None) | (Condition::Present, Some(_)) => {
                Ok(())
            }
            (Condition::Matches(etag), Some(present)) if etag == present => Ok(()),
            (Condition::Absent | Condition::Matches(_), Some(_)) => Err(Refusal::Mismatch),
            (Condition::Present | Condition::Matches(_), None) => Err(Refusal::Absent),
        }
    }

    fn enter(&self, key: String, version: Version) -> io::Result<()> {
        let outdated = {
            let mut index = self.index.lock();
            let before = index.remove(&key);
            let (before, outdated) = match before {
                Some(entry) => (Some(entry.newest), entry.before),
                None => (None, None),
            };
            index.insert(key, Entry { newest: version, before });
            outdated
        };
        outdated.map_or(Ok(()), |version| self.files.remove(version.file))
    }

    /// Removes a blob, whether or not it exists.
    pub(crate) async fn delete(self: &Arc<Self>, key: String) -> io::Result<()> {
        let blobs = Arc::clone(self);
        let deleting = tokio::spawn(async move {
            let mutex = blobs.mutex_of(&key);
            let guard = mutex.lock().await;
            let removed = blobs.index.lock().remove(&key);
            let files = Arc::clone(&blobs);
            let removing = tokio::task::spawn_blocking(move || {
                let Some(entry) = removed else { return Ok(()) };
                // The older file is removed first: if it alone remained, a restart would load it.
                if let Some(before) = entry.before {
                    files.files.remove(before.file)?;
                }
                files.files.remove(entry.newest.file)?;
                files.files.sync_folder()
            });
            let outcome = removing.await.map_err(io::Error::other);
            drop(guard);
            blobs.forget_mutex(&key, &mutex);
            outcome?
        });
        deleting.await.map_err(io::Error::other)?
    }

    /// Returns the metadata of a blob's newest content, or of the previous one for a stale read.
    pub(crate) fn version(&self, key: &str, is_stale: bool) -> Option<Version> {
        let index = self.index.lock();
        let entry = index.get(key)?;
        if is_stale { entry.before.clone() } else { Some(entry.newest.clone()) }
    }

    /// Returns the newest content of a blob, or the previous one for a stale read.
    pub(crate) async fn get(
        self: &Arc<Self>,
        key: &str,
        is_stale: bool,
    ) -> io::Result<Option<(Version, Bytes)>> {
        let (blobs, key) = (Arc::clone(self), key.to_owned());
        let reading = tokio::task::spawn_blocking(move || blobs.read(&key, is_stale));
        reading.await.map_err(io::Error::other)?
    }

    /// Returns the newest content of a blob; blocks.
    pub(crate) fn read_now(&self, key: &str) -> io::Result<Option<Bytes>> {
        Ok(self.read(key, false)?.map(|(_, bytes)| bytes))
    }

    fn read(&self, key: &str, is_stale: bool) -> io::Result<Option<(Version, Bytes)>> {
        loop {
            let Some(version) = self.version(key, is_stale) else { return Ok(None) };
            match self.files.read(version.file) {
                Ok(bytes) => return Ok(Some((version, bytes))),
                // Two writes later the file is gone; the index then refers to the newest.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        self.list(prefix, "", usize::MAX).into_iter().map(|(key, _)| key).collect()
    }

    /// Returns the first `count` keys after `after` that begin with `prefix`, with their versions.
    pub(crate) fn list(&self, prefix: &str, after: &str, count: usize) -> Vec<(String, Version)> {
        let index = self.index.lock();
        let from = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
        index
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(count)
            .map(|(key, entry)| (key.clone(), entry.newest.clone()))
            .collect()
    }

    fn mutex_of(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut keys = self.keys.lock();
        Arc::clone(keys.entry(key.to_owned()).or_default())
    }

    fn forget_mutex(&self, key: &str, mutex: &Arc<tokio::sync::Mutex<()>>) {
        let mut keys = self.keys.lock();
        // Only the caller and the map hold it: no task waits, and none can start to while the map is locked.
        if Arc::strong_count(mutex) == 2 {
            keys.remove(key);
        }
    }
}

/// Returns the ETag that AWS computes for a blob written in one part and without custom encryption.
pub(crate) fn etag_of(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
