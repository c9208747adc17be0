//! The manifests of the database: which tables belong to it.
//!
//! The database stores a checksum of each manifest beside it, in `current`, and does not compare it when it opens.
//! A manifest with a flipped bit may then name fewer tables, and the others would be deleted. So it is compared here,
//! before the database is opened.
//!
//! So are the tables of contents at the end of tables and of files with blobs: the database takes memory for as many
//! entries as one says before it compares its checksum, and ends the process where there is not so much. What is in
//! these files besides is compared whenever it is read.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

/// In the database's folder: the version of its format.
const VERSION: &str = "version";
/// In the database's folder: one folder for each tree.
const TREES: &str = "keyspaces";
/// In a tree's folder: the number of its manifest, and its checksum.
const CURRENT: &str = "current";
/// In a tree's folder: tables, and files with blobs that are not in tables.
const ARCHIVES: [&str; 2] = ["tables", "blobs"];
/// How such a file ends: this, the checksum of its table of contents (16 bytes), where that begins, and its length (8
/// bytes each), little-endian.
const END_MAGIC: &[u8] = b"SFA!\x01\x00";
const END_BYTES: usize = 38;
/// How a table of contents begins.
const CONTENTS_MAGIC: &[u8] = b"TOC!";
/// It has a handful of entries.
const CONTENTS_BYTES_MAX: usize = 1024 * 1024;
/// The number (8 bytes), the checksum (16 bytes), both little-endian, and the kind of the checksum (1 byte).
const CURRENT_BYTES: usize = 25;

/// Compares all manifests with their checksums. A database `is_new` if nothing in it was ever answered: it may be
/// half made.
///
/// # Errors
/// What is damaged, or missing.
pub(super) fn check(database: &Path, is_new: bool) -> Result<(), String> {
    // Without it the database would be made anew.
    let version = database.join(VERSION);
    if !is_new && !version.is_file() {
        return Err(format!("{} is missing", version.display()));
    }
    let trees = match fs::read_dir(database.join(TREES)) {
        Ok(trees) => trees,
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_new => return Ok(()),
        Err(error) => return Err(format!("{}: {error}", database.join(TREES).display())),
    };
    let mut count = 0;
    for tree in trees {
        let tree = tree.map_err(|error| format!("{}: {error}", database.display()))?.path();
        if !tree.is_dir() {
            continue;
        }
        count += 1;
        check_tree(&tree, is_new)?;
    }
    // The tree of the database's own names, and that of the blobs: a tree that is missing would be made anew.
    if count < 2 && !is_new {
        return Err(format!("{} has {count} trees instead of 2", database.join(TREES).display()));
    }
    Ok(())
}

fn check_tree(tree: &Path, is_new: bool) -> Result<(), String> {
    let path = tree.join(CURRENT);
    let current = match fs::read(&path) {
        Ok(current) => current,
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_new => return Ok(()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let damaged = || format!("{} is damaged", path.display());
    let current: [u8; CURRENT_BYTES] = current.try_into().map_err(|_| damaged())?;
    let (number, rest) = current.split_first_chunk().ok_or_else(damaged)?;
    let (checksum, kind) = rest.split_first_chunk().ok_or_else(damaged)?;
    let manifest = tree.join(format!("v{}", u64::from_le_bytes(*number)));
    let bytes = fs::read(&manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
    if kind != [0] || xxh3_128(&bytes) != u128::from_le_bytes(*checksum) {
        return Err(format!("{} and {} do not agree", manifest.display(), path.display()));
    }
    for folder in ARCHIVES {
        check_archives(&tree.join(folder))?;
    }
    Ok(())
}

fn check_archives(folder: &Path) -> Result<(), String> {
    let files = match fs::read_dir(folder) {
        Ok(files) => files,
        // The database misses what its manifest names.
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

/// Whether the table of contents has the checksum that the file says. A file without one is not judged: a flush that a
/// crash cut short leaves such, and the database refuses it where it is needed.
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

/// The checksum of the table of contents, and where it begins.
fn split_end(end: &[u8; END_BYTES]) -> Option<(u128, u64)> {
    let rest = end.strip_prefix(END_MAGIC)?;
    let (checksum, rest) = rest.split_first_chunk()?;
    let (position, _len) = rest.split_first_chunk()?;
    Some((u128::from_le_bytes(*checksum), u64::from_le_bytes(*position)))
}
