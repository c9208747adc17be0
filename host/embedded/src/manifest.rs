//! Verifies the database's manifests, which list its tables, before the database is opened.
//!
//! The database stores a checksum of each manifest in `current`, but does not verify it when it opens. A manifest
//! with a flipped bit may name fewer tables, and the database would delete the others.
//!
//! The tables of contents at the end of table and blob files are verified too. The database allocates memory for
//! the number of entries that one claims before it verifies its checksum, and aborts if the allocation fails. The
//! database verifies the rest of these files on every read.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

/// In the database's directory: the version of its format.
const VERSION: &str = "version";
/// In the database's directory: one directory per tree.
const TREES: &str = "keyspaces";
/// In a tree's directory: the number of the current manifest and its checksum.
const CURRENT: &str = "current";
/// In a tree's directory: tables, and files with blobs that are stored outside the tables.
const ARCHIVES: [&str; 2] = ["tables", "blobs"];
/// Start of the footer of such a file. After it follow the checksum of the table of contents (16 bytes), its offset
/// and its length (8 bytes each), little-endian.
const END_MAGIC: &[u8] = b"SFA!\x01\x00";
const END_BYTES: usize = 38;
/// Start of a table of contents.
const CONTENTS_MAGIC: &[u8] = b"TOC!";
/// Size limit for a table of contents, which has only a few entries.
const CONTENTS_BYTES_MAX: usize = 1024 * 1024;
/// The number (8 bytes), the checksum (16 bytes), both little-endian, and the kind of the checksum (1 byte).
const CURRENT_BYTES: usize = 25;

/// Whether a write in a database was ever answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// No write was ever answered, so the database may be missing or incomplete.
    New,
    /// Writes were answered, so the database must be complete.
    Used,
}

/// Verifies the checksums of all manifests.
///
/// # Errors
/// Describes the damaged or missing part.
pub(super) fn check(database: &Path, age: Age) -> Result<(), String> {
    // Without this file the database would be created from scratch.
    let version = database.join(VERSION);
    if age == Age::Used && !version.is_file() {
        return Err(format!("{} is missing", version.display()));
    }
    let trees = match fs::read_dir(database.join(TREES)) {
        Ok(trees) => trees,
        Err(error) if error.kind() == io::ErrorKind::NotFound && age == Age::New => return Ok(()),
        Err(error) => return Err(format!("{}: {error}", database.join(TREES).display())),
    };
    let mut count = 0;
    for tree in trees {
        let tree = tree.map_err(|error| format!("{}: {error}", database.display()))?.path();
        if !tree.is_dir() {
            continue;
        }
        count += 1;
        check_tree(&tree, age)?;
    }
    // The tree of the database's own names, and the tree of blobs. A missing tree would be created from scratch.
    if count < 2 && age == Age::Used {
        return Err(format!("{} has {count} trees instead of 2", database.join(TREES).display()));
    }
    Ok(())
}

fn check_tree(tree: &Path, age: Age) -> Result<(), String> {
    let path = tree.join(CURRENT);
    let current = match fs::read(&path) {
        Ok(current) => current,
        Err(error) if error.kind() == io::ErrorKind::NotFound && age == Age::New => return Ok(()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let damaged = || format!("{} is damaged", path.display());
    let current: [u8; CURRENT_BYTES] = current.try_into().map_err(|_| damaged())?;
    let (number, rest) = current.split_first_chunk().ok_or_else(damaged)?;
    let (checksum, kind) = rest.split_first_chunk().ok_or_else(damaged)?;
    let manifest = tree.join(format!("v{}", u64::from_le_bytes(*number)));
    let bytes = fs::read(&manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
    if kind != [0] || xxh3_128(&bytes) != u128::from_le_bytes(*checksum) {
        return Err(format!("{} and {} do not match", manifest.display(), path.display()));
    }
    for folder in ARCHIVES {
        check_archives(&tree.join(folder))?;
    }
    Ok(())
}

fn check_archives(folder: &Path) -> Result<(), String> {
    let files = match fs::read_dir(folder) {
        Ok(files) => files,
        // The database reports a missing file that its manifest names.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{}: {error}", folder.display())),
    };
    for file in files {
        let path = file.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        if !is_sound(&path).map_err(|error| format!("{}: {error}", path.display()))? {
            return Err(format!("{} has a damaged table of contents", path.display()));
        }
    }
    Ok(())
}

/// Whether the table of contents matches the checksum in the footer. A file without a footer passes: a flush that a
/// crash interrupted leaves such files, and the database rejects them when it needs them.
fn is_sound(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    let Some(contents_end) = file.metadata()?.len().checked_sub(END_BYTES as u64) else {
        return Ok(true);
    };
    let mut end = [0; END_BYTES];
    file.read_exact_at(&mut end, contents_end)?;
    let Some((checksum, position)) = split_end(&end) else { return Ok(true) };
    let len = contents_end.checked_sub(position).and_then(|len| usize::try_from(len).ok());
    let Some(len) = len.filter(|len| *len <= CONTENTS_BYTES_MAX) else { return Ok(false) };
    let mut contents = vec![0; len];
    file.read_exact_at(&mut contents, position)?;
    Ok(!contents.starts_with(CONTENTS_MAGIC) || xxh3_128(&contents) == checksum)
}

/// Returns the checksum and the offset of the table of contents.
fn split_end(end: &[u8; END_BYTES]) -> Option<(u128, u64)> {
    let rest = end.strip_prefix(END_MAGIC)?;
    let (checksum, rest) = rest.split_first_chunk()?;
    let (position, _len) = rest.split_first_chunk()?;
    Some((u128::from_le_bytes(*checksum), u64::from_le_bytes(*position)))
}
