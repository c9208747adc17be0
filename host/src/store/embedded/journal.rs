//! Reads the journals of the database before the database does, and changes nothing.
//!
//! The database takes the first thing that it does not understand for the torn end of its journal and cuts off all that
//! follows, without a word, whatever it was. It also believes the sequence number of a batch, which its checksums do
//! not cover. So the journals are read here first: every batch names the write before it, which makes them one chain,
//! and sequence numbers must rise along it. A gap in the chain is damage; whether its end is damage too is not known
//! here, but by comparison with the newest answered write.

mod batch;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{SeekFrom, seek};

use self::batch::Reader;

/// Under which key each batch has its [`Link`]. No name is like it, because a name is UTF-8.
pub(super) const LINK: &[u8] = b"\xffnewest";

/// What each batch says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// The number of its newest write.
    pub(super) newest: u64,
    /// The number of the newest write of the batch before it in the journals.
    pub(super) previous: u64,
}

impl Link {
    pub(super) fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (newest, previous) = bytes.split_at_mut(8);
        newest.copy_from_slice(&self.newest.to_be_bytes());
        previous.copy_from_slice(&self.previous.to_be_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (newest, rest) = bytes.split_first_chunk()?;
        let previous = u64::from_be_bytes(rest.try_into().ok()?);
        Some(Self { newest: u64::from_be_bytes(*newest), previous })
    }
}

/// Why journals cannot be used.
#[derive(Debug)]
pub(super) enum Error {
    /// They cannot be read.
    Io(PathBuf, io::Error),
    /// Something in the middle of them is missing or changed.
    Damaged(String),
}

/// What is in the journals.
#[derive(Debug, Default)]
pub(super) struct Journals {
    /// The number of the newest write in an unbroken batch.
    pub(super) newest: Option<u64>,
    /// What the database must show of some names if it has understood the sequence numbers as they were written: the
    /// number of the newest write, or nothing where the blob was removed.
    pub(super) expected: HashMap<Vec<u8>, Option<u64>>,
    /// The last journal, if it goes on behind its last unbroken batch with something else than zeros.
    torn: Option<Torn>,
}

/// A journal with something behind its last unbroken batch.
#[derive(Debug)]
struct Torn {
    path: PathBuf,
    /// Where the last unbroken batch ends.
    sound: u64,
    /// Where nothing but zeros follows.
    end: u64,
}

impl Journals {
    /// Reads the journals in the folder `database`.
    pub(super) fn read(database: &Path) -> Result<Self, Error> {
        let mut journals = Self::default();
        let mut seqno = None;
        let paths = paths(database)?;
        for (index, path) in paths.iter().enumerate() {
            let failed = |error| Error::Io(path.clone(), error);
            let mut reader = Reader::open(path).map_err(failed)?;
            while let Some(batch) = reader.next().map_err(failed)? {
                let in_order = journals.follow(batch, &mut seqno);
                in_order.map_err(|why| Error::Damaged(format!("{}: {why}", path.display())))?;
            }
            let sound = reader.sound();
            let end = data_end(path, sound).map_err(failed)?;
            if end > sound && index + 1 < paths.len() {
                // A journal is synced before the next one is begun.
                let path = path.display();
                return Err(Error::Damaged(format!("{path} holds no batch at byte {sound}")));
            }
            journals.torn = (end > sound).then(|| Torn { path: path.clone(), sound, end });
        }
        Ok(journals)
    }

    /// Takes the next batch into the chain.
    fn follow(&mut self, batch: batch::Batch, seqno: &mut Option<u64>) -> Result<(), String> {
        let link = batch.link.ok_or("a batch says not which writes it has")?;
        if let Some(newest) = self.newest
            && link.previous != newest
        {
            let next = link.previous;
            return Err(format!("after write {newest} comes what follows on write {next}"));
        }
        if seqno.is_some_and(|before| batch.seqno <= before) {
            return Err(format!("the sequence number of write {} is damaged", link.newest));
        }
        // With the next number in turn there is no other that would fit. Else the database may have taken another one
        // for it, and what it shows is compared.
        let is_certain = seqno.is_some_and(|before| batch.seqno == before + 1);
        let count = batch.writes.len() as u64;
        for (write, number) in
            batch.writes.into_iter().zip((link.newest + 1).saturating_sub(count)..)
        {
            let shown = (!write.is_removal).then_some(number);
            if !is_certain || self.expected.contains_key(&write.name) {
                self.expected.insert(write.name, shown);
            }
        }
        *seqno = Some(batch.seqno);
        self.newest = Some(link.newest);
        Ok(())
    }

    /// Cuts off what follows the last unbroken batch, so that the database does not have to make sense of it. The
    /// journal as it was is copied into the folder `kept` first. `true` where there was anything to cut.
    pub(super) fn cut(&self, kept: &Path) -> Result<bool, Error> {
        let Some(torn) = &self.torn else { return Ok(false) };
        let failed = |error| Error::Io(torn.path.clone(), error);
        fs::create_dir_all(kept).map_err(failed)?;
        let name = torn.path.file_name().unwrap_or_default();
        let mut copy = File::create(kept.join(name)).map_err(failed)?;
        let journal = OpenOptions::new().read(true).write(true).open(&torn.path).map_err(failed)?;
        io::copy(&mut (&journal).take(torn.end), &mut copy).map_err(failed)?;
        copy.sync_all().map_err(failed)?;
        journal.set_len(torn.sound).map_err(failed)?;
        journal.sync_all().map_err(failed)?;
        let (path, bytes) = (torn.path.display(), torn.end - torn.sound);
        tracing::warn!(%path, bytes, "the journal ends in a batch that is not whole, which is cut off");
        Ok(true)
    }
}

/// The journals, oldest first.
fn paths(database: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error| Error::Io(database.to_owned(), error);
    let entries = match fs::read_dir(database) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut journals = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = name.strip_suffix(".jnl").and_then(|number| number.parse().ok()) {
            journals.push((number, path));
        }
    }
    journals.sort_unstable_by_key(|(number, _): &(u64, _)| *number);
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

/// Where in a file, from `start` on, nothing but zeros follows. A journal is allocated before it is written, so that
/// it has a long hole at its end, which is skipped.
fn data_end(path: &Path, start: u64) -> io::Result<u64> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let file = File::open(path)?;
    let mut bytes = vec![0; ZEROS.len()];
    let (mut position, mut end) = (start, start);
    loop {
        position = match seek(&file, SeekFrom::Data(position)) {
            Ok(data) => data.max(position),
            Err(rustix::io::Errno::NXIO) => return Ok(end),
            Err(error) => return Err(error.into()),
        };
        let count = file.read_at(&mut bytes, position)?;
        if count == 0 {
            return Ok(end);
        }
        let read = bytes.get(..count).unwrap_or_default();
        if Some(read) != ZEROS.get(..count) {
            let last = read.iter().rposition(|byte| *byte != 0).unwrap_or_default();
            end = position + last as u64 + 1;
        }
        position += count as u64;
    }
}

#[cfg(test)]
mod tests;
