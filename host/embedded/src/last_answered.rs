//! Durable number of the newest answered write, in a file next to the database.
//!
//! After a crash, a journal may end in a torn batch that was never answered, and damage looks the same. This file
//! distinguishes the two cases: a write is answered only once its number is in this file on disk. The file has two
//! slots that are written alternately. If one is torn, the other still names the preceding write.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

/// Name of the file in the directory.
pub(super) const FILE: &str = "last-answered";
/// Distance between slots. Each has a separate block, so that a torn write of one does not affect the other.
const SLOT_STEP: u64 = 4096;
const SLOT_COUNT: u64 = 2;
/// 20 digits, a space, 16 hexadecimal digits, a line break.
const SLOT_BYTES: usize = 38;

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct LastAnswered {
    file: File,
    next_slot: u64,
}

impl LastAnswered {
    /// Atomically replaces the file by one that names `number`.
    pub(super) fn create(folder: &Path, number: u64) -> io::Result<Self> {
        let (path, new) = (folder.join(FILE), folder.join(format!("{FILE}.new")));
        let mut file = File::create(&new)?;
        for slot in 0..SLOT_COUNT {
            file.write_all_at(&encode(number), slot * SLOT_STEP)?;
        }
        file.flush()?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()?;
        Ok(Self { file, next_slot: 0 })
    }

    /// Returns the number in the file, or `None` if the file is missing or both slots are damaged.
    pub(super) fn read(folder: &Path) -> io::Result<Option<u64>> {
        let path = folder.join(FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut newest = None;
        let mut damaged = 0;
        for slot in 0..SLOT_COUNT {
            match read_slot(&file, slot)? {
                Some(number) => newest = newest.max(Some(number)),
                None => damaged += 1,
            }
        }
        if newest.is_some() && damaged > 0 {
            // Expected after a power loss during a write. Damage to a single slot loses nothing either.
            tracing::warn!(path = %path.display(), "one of two slots is unreadable; using the other one");
        }
        Ok(newest)
    }

    /// Writes `number`, and returns once it is on disk.
    pub(super) fn set(&mut self, number: u64) -> io::Result<()> {
        self.file.write_all_at(&encode(number), self.next_slot * SLOT_STEP)?;
        self.file.sync_data()?;
        self.next_slot = (self.next_slot + 1) % SLOT_COUNT;
        Ok(())
    }
}

fn encode(number: u64) -> [u8; SLOT_BYTES] {
    let digits = format!("{number:020}");
    let line = format!("{digits} {:016x}\n", xxh3_64(digits.as_bytes()));
    let mut slot = [0; SLOT_BYTES];
    slot.copy_from_slice(line.as_bytes());
    slot
}

fn read_slot(file: &File, slot: u64) -> io::Result<Option<u64>> {
    let mut bytes = [0; SLOT_BYTES];
    match file.read_exact_at(&mut bytes, slot * SLOT_STEP) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let digits = bytes.get(..20).and_then(|digits| std::str::from_utf8(digits).ok());
    let number = digits.and_then(|digits| digits.parse().ok());
    Ok(number.filter(|number| encode(*number) == bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flip(folder: &Path, offset: usize) {
        let mut bytes = fs::read(folder.join(FILE)).unwrap();
        bytes[offset] ^= 1;
        fs::write(folder.join(FILE), bytes).unwrap();
    }

    #[test]
    fn the_newest_of_two_slots_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = LastAnswered::create(folder.path(), 7).unwrap();
        for number in [8, 9, 1_000_000] {
            file.set(number).unwrap();
            assert_eq!(LastAnswered::read(folder.path()).unwrap(), Some(number));
        }
        let text = fs::read(folder.path().join(FILE)).unwrap();
        assert!(text.starts_with(b"00000000000001000000 "), "{text:?}");
    }

    #[test]
    fn a_damaged_slot_leaves_the_number_before() {
        for offset in 0..SLOT_BYTES {
            let folder = tempfile::tempdir().unwrap();
            let mut file = LastAnswered::create(folder.path(), 7).unwrap();
            file.set(8).unwrap();
            flip(folder.path(), offset);
            assert_eq!(LastAnswered::read(folder.path()).unwrap(), Some(7), "byte {offset}");
        }
    }

    #[test]
    fn without_a_slot_nothing_is_known() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(LastAnswered::read(folder.path()).unwrap(), None);
        LastAnswered::create(folder.path(), 7).unwrap();
        flip(folder.path(), 3);
        flip(folder.path(), 4096 + 30);
        assert_eq!(LastAnswered::read(folder.path()).unwrap(), None);
        fs::write(folder.path().join(FILE), "").unwrap();
        assert_eq!(LastAnswered::read(folder.path()).unwrap(), None);
    }
}
