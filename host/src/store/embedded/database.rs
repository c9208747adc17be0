//! What fjall does for the embedded store: blobs by name, each behind the number of the write that made it.
//!
//! Fjall shows a batch only after its journal is synced, which is what makes direct reads right. Memory is bounded: a
//! cache, the memtables, and no more.

use std::ops::Bound;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fjall::{Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode, UserValue};

use super::folder::Lock;
use super::writer::{Accepted, Disk};
use crate::store::{Blob, ETag, Page};

/// Blocks that were read and may be read again.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// Writes that are in the journal and not yet in a table.
const MEMTABLE_BYTES: u64 = 16 * 1024 * 1024;
/// The same for the one number that every batch writes anew.
const META_MEMTABLE_BYTES: u64 = 1024 * 1024;
/// Journals at most, before memtables are written out to be rid of them.
const JOURNAL_BYTES: u64 = 256 * 1024 * 1024;
/// From this size on a blob has a place of its own, so that sorting names does not copy it.
const SEPARATE_BYTES: u32 = 32 * 1024;
/// Room that is left for the database's own work.
const RESERVE_BYTES: u64 = 128 * 1024 * 1024;
/// A value that is larger is not copied when it is read. One that is smaller is, because it is a part of a block, and
/// would keep the whole block in memory for as long as an object keeps its state.
const COPY_BYTES_MAX: usize = SEPARATE_BYTES as usize;
/// The number of the write before each blob.
const ETAG_BYTES: usize = size_of::<u64>();
/// Under which name the number of the newest write is kept.
const NEWEST_ETAG: &str = "newest-etag";

/// What fjall could not do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// In its own words.
    #[error("{0}")]
    Fjall(#[from] fjall::Error),
    /// A value that this store did not write.
    #[error("the value of {0} is damaged")]
    Damaged(String),
}

/// The database of one store.
pub(super) struct Database {
    path: PathBuf,
    blobs: Keyspace,
    meta: Keyspace,
    database: fjall::Database,
    // The last field, so that the folder is free when all else is closed: a read may outlive the call and the store.
    _lock: Lock,
}

impl Database {
    pub(super) fn open(folder: &Path, lock: Lock) -> Result<Self, Error> {
        let database = fjall::Database::builder(folder.join("blobs"))
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .manual_journal_persist(true)
            .worker_threads(1)
            .open()?;
        let separate = || KvSeparationOptions::default().separation_threshold(SEPARATE_BYTES);
        let blobs = database.keyspace("blobs", || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .with_kv_separation(Some(separate()))
        })?;
        let meta = database.keyspace("meta", || {
            KeyspaceCreateOptions::default().max_memtable_size(META_MEMTABLE_BYTES)
        })?;
        Ok(Self { path: folder.to_owned(), blobs, meta, database, _lock: lock })
    }

    /// The number of the newest write.
    pub(super) fn newest_etag(&self) -> Result<u64, Error> {
        match self.meta.get(NEWEST_ETAG)? {
            Some(value) => Ok(split(NEWEST_ETAG, &value)?.0),
            None => Ok(0),
        }
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<Blob>, Error> {
        let Some(value) = self.blobs.get(name)? else { return Ok(None) };
        let (etag, bytes) = split(name, &value)?;
        let etag = ETag::new(&etag.to_string());
        let bytes = if value.len() > COPY_BYTES_MAX {
            Bytes::from_owner(value).slice(ETAG_BYTES..)
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
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut page = Page::default();
        for entry in self.blobs.range::<&str, _>((from, Bound::Unbounded)) {
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

/// A value as the number of its write and the blob.
fn split<'a>(name: &str, value: &'a UserValue) -> Result<(u64, &'a [u8]), Error> {
    let (etag, bytes) = value.split_first_chunk().ok_or_else(|| Error::Damaged(name.to_owned()))?;
    Ok((u64::from_be_bytes(*etag), bytes))
}

/// Whether `free` bytes are enough for `bytes` more, the database's own work included.
fn room(folder: &Path, free: u64, bytes: usize) -> Result<(), String> {
    let needed = RESERVE_BYTES.saturating_add(bytes as u64);
    if free >= needed {
        return Ok(());
    }
    let folder = folder.display();
    Err(format!("the disk of {folder} has {free} bytes left, {needed} are needed: make room"))
}

impl Disk for Database {
    fn etag(&self, name: &str) -> Result<Option<u64>, String> {
        let etag = || match self.blobs.get(name)? {
            Some(value) => Ok(Some(split(name, &value)?.0)),
            None => Ok(None),
        };
        etag().map_err(|error: Error| error.to_string())
    }

    fn check_room(&self, bytes: usize) -> Result<(), String> {
        // A disk that cannot tell is not full; if it is, the commit says so.
        let Ok(disk) = rustix::fs::statvfs(&self.path) else { return Ok(()) };
        room(&self.path, disk.f_bavail.saturating_mul(disk.f_frsize), bytes)
    }

    fn commit(&self, writes: &[Accepted<'_>]) -> Result<(), String> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        let mut newest = 0;
        for write in writes {
            newest = write.etag.max(newest);
            match write.bytes {
                Some(bytes) => {
                    let value = [&write.etag.to_be_bytes()[..], bytes].concat();
                    batch.insert(&self.blobs, write.name, value);
                }
                None => batch.remove(&self.blobs, write.name),
            }
        }
        batch.insert(&self.meta, NEWEST_ETAG, newest.to_be_bytes());
        batch.commit().map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_named() {
        let room = |free, bytes| room(Path::new("/data"), free, bytes);
        assert_eq!(room(RESERVE_BYTES + 5, 5), Ok(()));
        let why = "the disk of /data has 134217732 bytes left, 134217733 are needed: make room";
        assert_eq!(room(RESERVE_BYTES + 4, 5), Err(why.to_owned()));
    }
}
