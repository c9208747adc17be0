//! The fjall database of the embedded store. Each blob is stored under its name, with the number of its write and a
//! checksum.
//!
//! Fjall makes a batch visible only after syncing its journal, which makes direct reads correct. Memory is bounded
//! by the block cache and the memtable. A single tree holds everything, so its tables always contain a prefix of
//! all writes.

use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fjall::{Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode, UserValue};
use highlander_core::store::{Blob, ETag, Page};
use parking_lot::Mutex;
use xxhash_rust::xxh3::Xxh3;

use super::directory::Lock;
use super::journal::link::{LINK, Link};
use super::last_answered::{FILE, LastAnswered};
use super::manifest::Age;
use super::writer::{Accepted, Disk};

/// Block cache.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// Memtable: writes that are in the journal but not yet in a table.
const MEMTABLE_BYTES: u64 = 16 * 1024 * 1024;
/// Journal size that forces memtables to be flushed, so that old journals can be deleted.
const JOURNAL_BYTES: u64 = 256 * 1024 * 1024;
/// From this size on, blobs are stored outside the tree, so that compaction does not copy them.
const SEPARATE_BYTES: u32 = 32 * 1024;
/// Disk space reserved for the database's own work.
const RESERVE_BYTES: u64 = 128 * 1024 * 1024;
/// Larger values are not copied when read. Smaller values are copied: they are slices of a block, and would keep
/// the whole block in memory for as long as an object keeps its state.
const COPY_BYTES_MAX: usize = SEPARATE_BYTES as usize;
/// Prefix of each stored blob: the number of its write, and a checksum of name, number and blob.
const HEAD_BYTES: usize = 2 * size_of::<u64>();
/// The tree that holds the blobs.
pub(super) const TREE: &str = "blobs";

/// Failure of the database.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// An error reported by fjall.
    #[error("the database of the store: {0}")]
    Fjall(#[from] fjall::Error),
    /// Stored data differs from what was written.
    #[error("{name} is damaged on disk ({why}): restore the store from a backup")]
    Damaged {
        /// Name of the blob or of the other damaged part.
        name: String,
        /// Error message of the component that detected the damage.
        why: String,
    },
}

/// Opened fjall database whose content has not been checked yet.
pub(super) struct Opened {
    pub(super) blobs: Keyspace,
    pub(super) database: fjall::Database,
}

/// Database of one store.
pub(super) struct Database {
    path: PathBuf,
    blobs: Keyspace,
    database: fjall::Database,
    progress: Mutex<Progress>,
    // Declared last, so that the directory is unlocked after everything else is closed: a read may outlive its
    // caller and the store.
    _lock: Lock,
}

/// Position from which the next batch continues.
struct Progress {
    /// Number of the newest write in the preceding batch of the journals.
    previous: u64,
    last_answered: LastAnswered,
}

impl Opened {
    /// Opens the database in `folder`, or creates it.
    pub(super) fn open(folder: &Path, age: Age) -> Result<Self, Error> {
        let database = fjall::Database::builder(folder)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .manual_journal_persist(true)
            .worker_threads(1)
            .open()?;
        if age == Age::Used && !database.keyspace_exists(TREE) {
            let (name, why) =
                ("the list of trees".to_owned(), "it does not include the blobs".to_owned());
            return Err(Error::Damaged { name, why });
        }
        let separate = KvSeparationOptions::default().separation_threshold(SEPARATE_BYTES);
        let blobs = database.keyspace(TREE, || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .with_kv_separation(Some(separate))
        })?;
        Ok(Self { blobs, database })
    }

    /// Returns the number of the newest write, or 0 if there is none.
    pub(super) fn newest(&self) -> Result<u64, Error> {
        const NAME: &str = "the number of the newest write";
        let Some(value) = read(NAME, || self.blobs.get(LINK))? else { return Ok(0) };
        match Link::decode(&value) {
            Some(link) => Ok(link.newest),
            None => Err(Error::Damaged { name: NAME.to_owned(), why: "not a number".to_owned() }),
        }
    }

    /// Returns the number of the newest write of `name`, which need not be UTF-8.
    pub(super) fn number(&self, name: &[u8]) -> Result<Option<u64>, Error> {
        let text = String::from_utf8_lossy(name);
        let Some(value) = read(&text, || self.blobs.get(name))? else { return Ok(None) };
        Ok(Some(decode(&text, &value)?.0))
    }
}

impl Database {
    /// Continues with an opened database, after the write `previous` in its journals.
    pub(super) fn new(
        folder: &Path,
        opened: Opened,
        previous: u64,
        last_answered: LastAnswered,
        lock: Lock,
    ) -> Self {
        let Opened { blobs, database } = opened;
        let progress = Mutex::new(Progress { previous, last_answered });
        Self { path: folder.to_owned(), blobs, database, progress, _lock: lock }
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<Blob>, Error> {
        let Some(value) = read(name, || self.blobs.get(name))? else { return Ok(None) };
        let (number, bytes) = decode(name, &value)?;
        let etag = ETag::new(&number.to_string());
        let bytes = if value.len() > COPY_BYTES_MAX {
            Bytes::from_owner(value).slice(HEAD_BYTES..)
        } else {
            Bytes::copy_from_slice(bytes)
        };
        Ok(Some(Blob { bytes, etag }))
    }

    pub(super) fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, Error> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.as_bytes()),
            _ => Bound::Included(prefix.as_bytes()),
        };
        let listed = || self.page(from, prefix, limit);
        read(&format!("the list of names that begin with {prefix:?}"), listed)
    }

    fn page(&self, from: Bound<&[u8]>, prefix: &str, limit: usize) -> Result<Page, fjall::Error> {
        let mut page = Page::default();
        for entry in self.blobs.range::<&[u8], _>((from, Bound::Excluded(LINK))) {
            let name = entry.key()?;
            if !name.starts_with(prefix.as_bytes()) {
                break;
            }
            if page.names.len() == limit {
                page.has_more = true;
                break;
            }
            let name = String::from_utf8_lossy(&name);
            page.names.push(name.into_owned());
        }
        Ok(page)
    }
}

#[cfg(test)]
impl Database {
    /// Moves the memtable into a table.
    pub(super) fn flush(&self) {
        self.blobs.rotate_memtable_and_wait().unwrap();
    }
}

/// Encodes a blob for the database.
fn encode(name: &str, number: u64, bytes: &[u8]) -> Vec<u8> {
    let number = number.to_be_bytes();
    let checksum = checksum(name.as_bytes(), number, bytes).to_be_bytes();
    [&number[..], &checksum, bytes].concat()
}

/// Splits a value into the number of its write and the blob.
fn decode<'a>(name: &str, value: &'a UserValue) -> Result<(u64, &'a [u8]), Error> {
    let damaged = || Error::Damaged {
        name: name.to_owned(),
        why: "its content does not match its checksum".to_owned(),
    };
    let (number, rest) = value.split_first_chunk().ok_or_else(damaged)?;
    let (sum, bytes) = rest.split_first_chunk().ok_or_else(damaged)?;
    if u64::from_be_bytes(*sum) != checksum(name.as_bytes(), *number, bytes) {
        return Err(damaged());
    }
    Ok((u64::from_be_bytes(*number), bytes))
}

fn checksum(name: &[u8], number: [u8; 8], bytes: &[u8]) -> u64 {
    let mut checksum = Xxh3::new();
    checksum.update(&number);
    checksum.update(name);
    checksum.update(bytes);
    checksum.digest()
}

/// Runs a read and maps its failure to damage of `name`, unless the failure is transient. Fjall may also panic on
/// damaged data.
fn read<T>(name: &str, work: impl FnOnce() -> Result<T, fjall::Error>) -> Result<T, Error> {
    let damaged = |why: String| Error::Damaged { name: name.to_owned(), why };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) if is_passing(&error) => Err(Error::Fjall(error)),
        Ok(Err(error)) => Err(damaged(error.to_string())),
        Err(_) => Err(damaged("the database panicked on it".to_owned())),
    }
}

/// Whether the error comes from the operating system rather than from the data. A bad sector counts as damage.
fn is_passing(error: &fjall::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            let bad_sector = rustix::io::Errno::IO.raw_os_error();
            return io.raw_os_error().is_some_and(|code| code != bad_sector);
        }
        source = error.source();
    }
    matches!(error, fjall::Error::Poisoned)
}

/// Checks that `free` bytes are enough for `bytes` more, including the database's own work.
fn room(folder: &Path, free: u64, bytes: usize) -> Result<(), String> {
    let needed = RESERVE_BYTES.saturating_add(bytes as u64);
    if free >= needed {
        return Ok(());
    }
    // The error text reaches callers, so the directory is written only to the log.
    tracing::debug!(folder = %folder.display(), free, needed, "the disk is full");
    Err(format!("its disk has {free} bytes left, but {needed} are needed: free some space"))
}

impl Disk for Database {
    fn etag(&self, name: &str) -> Result<Option<u64>, String> {
        let etag = || match read(name, || self.blobs.get(name))? {
            Some(value) => Ok(Some(decode(name, &value)?.0)),
            None => Ok(None),
        };
        etag().map_err(|error: Error| error.to_string())
    }

    fn check_room(&self, bytes: usize) -> Result<(), String> {
        // If the disk does not report its free space, it is assumed to have some. If it is full, the commit fails.
        let Ok(disk) = rustix::fs::statvfs(&self.path) else { return Ok(()) };
        room(&self.path, disk.f_bavail.saturating_mul(disk.f_frsize), bytes)
    }

    fn commit(&self, writes: &[Accepted<'_>]) -> Result<(), String> {
        let mut progress = self.progress.lock();
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        let mut newest = 0;
        for write in writes {
            newest = write.etag.max(newest);
            match write.bytes {
                Some(bytes) => {
                    batch.insert(&self.blobs, write.name, encode(write.name, write.etag, bytes));
                }
                None => batch.remove(&self.blobs, write.name),
            }
        }
        let link = Link { newest, previous: progress.previous };
        batch.insert(&self.blobs, LINK, link.encode());
        batch.commit().map_err(|error| format!("{}: {error}", self.path.display()))?;
        progress.previous = newest;
        // Only after the commit: the file must not name a write that a crash may still undo.
        let named = progress.last_answered.set(newest);
        named.map_err(|error| format!("{}: {FILE}: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_named() {
        let room = |free, bytes| room(Path::new("/data"), free, bytes);
        assert_eq!(room(RESERVE_BYTES + 5, 5), Ok(()));
        let why = "its disk has 134217732 bytes left, but 134217733 are needed: free some space";
        assert_eq!(room(RESERVE_BYTES + 4, 5), Err(why.to_owned()));
    }
}
