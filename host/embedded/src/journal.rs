//! Reads the database's journals before the database does, without changing them.
//!
//! The database treats the first entry that it cannot parse as the torn end of its journal, and silently truncates
//! everything after it. It also trusts a batch's sequence number, which its checksums do not cover. Therefore the
//! journals are checked here first: every batch names the write before it, so the batches form a chain along which
//! sequence numbers must rise. A gap in the chain is damage. Whether its end is damaged too is decided by
//! comparison with the newest answered write.

mod batch;
pub(super) mod link;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{SeekFrom, seek};

use self::batch::Reader;

/// Reason why the journals cannot be used.
#[derive(Debug)]
pub(super) enum Error {
    /// They cannot be read.
    Io(PathBuf, io::Error),
    /// Part of them is missing or changed, before their end.
    Damaged(String),
}

/// Content of the journals.
#[derive(Debug, Default)]
pub(super) struct Journals {
    /// Number of the newest write in an intact batch.
    pub(super) newest: Option<u64>,
    /// Number of the newest write that the database must show for some names, or `None` if the blob was removed. A
    /// difference means that the database has read other sequence numbers than were written.
    pub(super) expected: HashMap<Vec<u8>, Option<u64>>,
    /// The last journal, if its last intact batch is followed by anything but zeros.
    torn: Option<Torn>,
}

/// Journal with data after its last intact batch.
#[derive(Debug)]
struct Torn {
    path: PathBuf,
    /// End of the last intact batch.
    sound: u64,
    /// Offset after which only zeros follow.
    end: u64,
}

impl Journals {
    /// Reads the journals in the directory `database`.
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
                // Each journal is synced before the next one is created.
                let path = path.display();
                return Err(Error::Damaged(format!("{path} has no valid batch at byte {sound}")));
            }
            journals.torn = (end > sound).then(|| Torn { path: path.clone(), sound, end });
        }
        Ok(journals)
    }

    /// Appends a batch to the chain.
    fn follow(&mut self, batch: batch::Batch, seqno: &mut Option<u64>) -> Result<(), String> {
        let link = batch.link.ok_or("a batch does not state which writes it contains")?;
        if let Some(newest) = self.newest
            && link.previous != newest
        {
            let next = link.previous;
            return Err(format!(
                "write {newest} is followed by a batch that continues write {next}"
            ));
        }
        if seqno.is_some_and(|before| batch.seqno <= before) {
            return Err(format!("the sequence number of write {} is damaged", link.newest));
        }
        // A sequence number that follows directly on the last one is certain, because no other value fits.
        // Otherwise the database may have read a different number, and the values that it shows are compared.
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

    /// Truncates the last journal after its last intact batch, so that the database does not have to interpret the
    /// rest. First copies the original journal into the directory `kept`. Returns whether anything was truncated.
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
        tracing::warn!(%path, bytes, "the journal ends with an incomplete batch, which is removed");
        Ok(true)
    }
}

/// Returns the journals, oldest first.
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

/// Returns the offset in a file, from `start` on, after which only zeros follow. A journal is preallocated and
/// therefore ends in a long hole, which is skipped.
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
