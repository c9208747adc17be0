//! The manifests of the database: which tables belong to it.
//!
//! The database stores a checksum of each manifest beside it, in `current`, and does not compare it when it opens.
//! A manifest with a flipped bit may then name fewer tables, and the others would be deleted. So it is compared here,
//! before the database is opened.

use std::fs;
use std::io;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

/// In the database's folder: the version of its format.
const VERSION: &str = "version";
/// In the database's folder: one folder for each tree.
const TREES: &str = "keyspaces";
/// In a tree's folder: the number of its manifest, and its checksum.
const CURRENT: &str = "current";
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
    Ok(())
}
