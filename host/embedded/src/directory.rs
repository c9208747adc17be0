//! The directory of an embedded store: exclusive access and format.
//!
//! `lock` is locked while a process has the store open. `format` states the format of the other files and is
//! created after `last-answered`, so a store without `last-answered` is damaged. The database is in `blobs`.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use super::error::OpenError;
use super::last_answered::{self, LastAnswered};

/// Newest supported format, and the only one that this host creates.
const FORMAT: u32 = 2;
/// Text in `format` before the number.
const HEAD: &str = "highlander embedded store, format ";

/// Exclusive lock on the directory, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Locks the directory `path`, and initializes it if it is empty.
pub(super) fn open(path: &Path) -> Result<Lock, OpenError> {
    let failed = |source| OpenError::Io { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let marker = path.join("format");
    // Checked before any file is created: a wrong path must not leave traces in an unrelated directory.
    if !marker.exists() && !is_empty(path).map_err(failed)? {
        return Err(OpenError::NotAStore(path.to_owned()));
    }
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"));
    let lock = lock.map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    if marker.exists() {
        check_format(path, &fs::read(&marker).map_err(failed)?)?;
    } else {
        mark(path).map_err(failed)?;
    }
    // Other users of this machine must not read the records.
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed)?;
    Ok(Lock(lock))
}

/// Whether the directory is empty except for files that an interrupted start may have left.
fn is_empty(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let is_left = name.to_str().is_some_and(|name| {
            ["lock", "format.new", last_answered::FILE].contains(&name)
                || name.strip_suffix(".new") == Some(last_answered::FILE)
        });
        if !is_left {
            return Ok(false);
        }
    }
    Ok(true)
}

fn check_format(path: &Path, marker: &[u8]) -> Result<(), OpenError> {
    let text = String::from_utf8_lossy(marker);
    let number = text.strip_prefix(HEAD).and_then(|number| number.trim_end().parse().ok());
    match number {
        Some(FORMAT) => Ok(()),
        Some(found) if found < FORMAT => {
            Err(OpenError::OlderFormat { path: path.to_owned(), found, known: FORMAT })
        }
        Some(found) => Err(OpenError::NewerFormat { path: path.to_owned(), found, known: FORMAT }),
        _ => Err(OpenError::NotAStore(path.to_owned())),
    }
}

/// Writes the format file atomically, in a directory in which no write was answered yet.
fn mark(path: &Path) -> io::Result<()> {
    LastAnswered::create(path, 0)?;
    let new = path.join("format.new");
    let mut file = File::create(&new)?;
    writeln!(file, "{HEAD}{FORMAT}")?;
    file.sync_all()?;
    fs::rename(&new, path.join("format"))?;
    File::open(path)?.sync_all()
}
