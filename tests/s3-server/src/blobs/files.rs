//! The files of the blobs: one per content, named by its number, with a header line that contains its key.
//!
//! A file is written under a temporary name, synced and renamed, and the folder is synced. A file with its final
//! name is therefore complete. A lock on the folder excludes a second server until the last write of the first one
//! has ended.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::Version;

const ENDING: &str = "blob";
const UNFINISHED: &str = "unfinished";

/// First line of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    key: String,
    etag: String,
    size: u64,
}

#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    folder: File,
    is_durable: bool,
}

impl Files {
    /// Opens the folder, removes unfinished files, and returns the existing contents in the order of writing.
    pub(super) fn open(dir: &Path, is_durable: bool) -> io::Result<(Self, Vec<(String, Version)>)> {
        fs::create_dir_all(dir)?;
        let folder = File::open(dir)?;
        flock(&folder, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            io::Error::new(error.kind(), format!("{} is used by another server", dir.display()))
        })?;
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            match path.extension().and_then(|ending| ending.to_str()) {
                Some(UNFINISHED) => fs::remove_file(&path)?,
                Some(ENDING) => found.push(describe(&path)?),
                _ => {}
            }
        }
        found.sort_by_key(|(_, version)| version.file);
        Ok((Self { dir: dir.to_owned(), folder, is_durable }, found))
    }

    /// Writes a new file, and returns its version, with its time, once it is durable.
    pub(super) fn write(&self, key: &str, version: Version, bytes: &[u8]) -> io::Result<Version> {
        let head = Head { key: key.to_owned(), etag: version.etag.clone(), size: version.size };
        let mut content = serde_json::to_vec(&head)?;
        content.push(b'\n');
        content.extend_from_slice(bytes);
        let unfinished = self.path(version.file, UNFINISHED);
        let mut file = File::create(&unfinished)?;
        file.write_all(&content)?;
        if self.is_durable {
            file.sync_data()?;
        }
        let modified = file.metadata()?.modified()?;
        fs::rename(unfinished, self.path(version.file, ENDING))?;
        self.sync_folder()?;
        Ok(Version { modified, ..version })
    }

    pub(super) fn read(&self, number: u64) -> io::Result<Bytes> {
        let mut file = BufReader::new(File::open(self.path(number, ENDING))?);
        let head = read_head(&mut file)?;
        let mut bytes = Vec::with_capacity(usize::try_from(head.size).unwrap_or_default());
        file.read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }

    pub(super) fn remove(&self, number: u64) -> io::Result<()> {
        fs::remove_file(self.path(number, ENDING))
    }

    pub(super) fn sync_folder(&self) -> io::Result<()> {
        if self.is_durable { self.folder.sync_all() } else { Ok(()) }
    }

    fn path(&self, number: u64, ending: &str) -> PathBuf {
        self.dir.join(format!("{number:016x}.{ending}"))
    }
}

fn describe(path: &Path) -> io::Result<(String, Version)> {
    let damaged = || io::Error::other(format!("{} is not the file of a blob", path.display()));
    let number = path.file_stem().and_then(|name| u64::from_str_radix(name.to_str()?, 16).ok());
    let file = File::open(path)?;
    let modified = file.metadata()?.modified()?;
    let head = read_head(&mut BufReader::new(file))?;
    let version =
        Version { etag: head.etag, size: head.size, modified, file: number.ok_or_else(damaged)? };
    Ok((head.key, version))
}

fn read_head(file: &mut BufReader<File>) -> io::Result<Head> {
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}
