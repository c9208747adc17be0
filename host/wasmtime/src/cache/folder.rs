//! The directory of compiled code: files of this user only, with a bounded total size.
//!
//! The directory is opened and checked once, and its files are accessed only relative to that descriptor, so
//! renaming or replacing the directory has no effect. Files are read without following links, without blocking, and
//! only up to a size limit. The least recently used files are evicted first.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::time::Duration;

use highlander_system::clock::wall_ms;
use highlander_system::files::{self, Rules, Untrusted};
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, fstat, open,
    openat, renameat, statat, unlinkat, utimensat,
};
use rustix::process::geteuid;

/// Mode bits that no file may have: other users can neither read nor write.
const MODE_DENIED: u32 = 0o077;
/// Suffix of files that are still being written.
const UNFINISHED: &str = ".tmp";
/// Age from which an unfinished file counts as abandoned.
const LEFT_BEHIND: Duration = Duration::from_hours(1);

/// Directory that only this user can access.
#[derive(Debug)]
pub(super) struct Folder {
    folder: OwnedFd,
}

/// File in the directory.
struct Entry {
    name: OsString,
    bytes: u64,
    /// Time of the last write or use, in seconds since 1970 and nanoseconds.
    used_at: (i64, i64),
}

impl Folder {
    /// Opens the directory, and creates it if it is missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = open(path, flags, Mode::empty())?;
        let stat = fstat(&folder)?;
        if stat.st_uid != geteuid().as_raw() {
            let text = format!("the folder belongs to another user, with the id {}", stat.st_uid);
            return Err(io::Error::other(text));
        }
        let mode = stat.st_mode & 0o7777;
        if mode & MODE_DENIED != 0 {
            let text = format!("the folder's mode is {mode:o}; expected 700");
            return Err(io::Error::other(text));
        }
        Ok(Self { folder })
    }

    /// Returns the content of a file and marks it as used.
    pub(super) fn read(&self, name: &str, bytes_max: u64) -> Result<Vec<u8>, Untrusted> {
        let rules = Rules {
            mode_denied: MODE_DENIED,
            may_be_of_root: false,
            may_be_link: false,
            bytes_max,
        };
        let bytes = files::read_at(&self.folder, Path::new(name), &rules)?;
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let unchanged = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let times = Timestamps { last_access: unchanged, last_modification: now };
        // If this fails, the file is evicted earlier than it should be.
        let _ = utimensat(&self.folder, name, &times, AtFlags::SYMLINK_NOFOLLOW);
        Ok(bytes)
    }

    /// Writes a new file. Returns `false` if the name is taken.
    pub(super) fn create(&self, name: &str, parts: &[&[u8]]) -> io::Result<bool> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = match openat(&self.folder, name, flags, Mode::from_raw_mode(0o600)) {
            Ok(file) => file,
            Err(rustix::io::Errno::EXIST) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let mut file = std::fs::File::from(file);
        parts.iter().try_for_each(|part| file.write_all(part)).map(|()| true)
    }

    /// Writes a file atomically, replacing any file of this name. `mark` must be unique for each writer.
    pub(super) fn replace(&self, name: &str, mark: &str, parts: &[&[u8]]) -> io::Result<()> {
        let unfinished = format!("{name}.{mark}{UNFINISHED}");
        let written = self.create(&unfinished, parts).and_then(|is_new| {
            if !is_new {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Ok(renameat(&self.folder, &unfinished, &self.folder, name)?)
        });
        if written.is_err() {
            let _ = unlinkat(&self.folder, &unfinished, AtFlags::empty());
        }
        written
    }

    /// Removes abandoned unfinished files, then the least recently used files with the suffix `ending` until the
    /// rest has at most `bytes_max`. Returns the number of removed files.
    pub(super) fn evict(&self, ending: &str, bytes_max: u64) -> io::Result<usize> {
        let has_ending = |entry: &Entry, ending: &str| {
            entry.name.as_encoded_bytes().ends_with(ending.as_bytes())
        };
        let entries = self.entries()?;
        let now = i64::try_from(wall_ms() / 1000).unwrap_or(i64::MAX);
        let is_left_behind = |entry: &&Entry| {
            let age = now.saturating_sub(entry.used_at.0);
            has_ending(entry, UNFINISHED) && age > LEFT_BEHIND.as_secs().cast_signed()
        };
        let left_behind = entries.iter().filter(is_left_behind);
        let mut removed = left_behind.map(|entry| self.remove(entry)).sum::<io::Result<usize>>()?;
        let mut kept: Vec<_> = entries.iter().filter(|entry| has_ending(entry, ending)).collect();
        kept.sort_by_key(|entry| entry.used_at);
        let mut bytes: u64 = kept.iter().map(|entry| entry.bytes).sum();
        for entry in kept {
            if bytes <= bytes_max {
                break;
            }
            removed += self.remove(entry)?;
            bytes -= entry.bytes;
        }
        Ok(removed)
    }

    /// Returns all regular files. Links, pipes and directories do not belong to the cache and are left alone.
    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.folder)? {
            let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
            // The file may have been removed concurrently.
            let Ok(stat) = statat(&self.folder, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                let bytes = u64::try_from(stat.st_size).unwrap_or_default();
                let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or_default();
                entries.push(Entry { name, bytes, used_at: (stat.st_mtime, nanoseconds) });
            }
        }
        Ok(entries)
    }

    fn remove(&self, entry: &Entry) -> io::Result<usize> {
        match unlinkat(&self.folder, &entry.name, AtFlags::empty()) {
            Ok(()) => Ok(1),
            // Another process removed it first.
            Err(rustix::io::Errno::NOENT) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}
