//! Parses the batches of a journal in the format of fjall 3.
//!
//! A batch is a start (tag 1, item count as 4 bytes, sequence number as 8), the items, and an end (tag 3, checksum
//! of all items as 8 bytes, a magic word). An item is the tag 2, its kind and its compression (1 byte each), its
//! tree (8 bytes), the length of its key (2), of its value (4) and of its stored value (4), then the key and the
//! stored value. All numbers are little-endian, and the checksum is 64-bit XXH3.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use super::link::{LINK, Link};

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const MAGIC: [u8; 4] = *b"FJL\x03";
/// Kind of an item that removes its key.
const REMOVAL: u8 = 1;
/// Compression value of an uncompressed item.
const PLAIN: u8 = 0;

/// Batch with a valid checksum.
#[derive(Debug)]
pub(super) struct Batch {
    /// Sequence number of the batch in the database.
    pub(super) seqno: u64,
    /// The batch's own [`Link`], if it has one.
    pub(super) link: Option<Link>,
    /// All other items, in order.
    pub(super) writes: Vec<Write>,
}

/// Write or removal of one blob.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) name: Vec<u8>,
    pub(super) is_removal: bool,
}

/// Reason why no further batch was read.
enum Stop {
    /// The next bytes are not a whole batch.
    Broken,
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        // The file was truncated concurrently; treat it as if it had always been this short.
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Broken } else { Self::Io(error) }
    }
}

/// Reads a journal batch by batch.
pub(super) struct Reader {
    file: BufReader<File>,
    /// Bytes left in the file. Bounds every length that is read from it.
    left: u64,
    len: u64,
    sound: u64,
}

impl Reader {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Self { file: BufReader::with_capacity(64 * 1024, file), left: len, len, sound: 0 })
    }

    /// Returns the offset at which the last intact batch ends.
    pub(super) fn sound(&self) -> u64 {
        self.sound
    }

    /// Returns the next batch, or `None` if the next bytes are not an intact one.
    pub(super) fn next(&mut self) -> io::Result<Option<Batch>> {
        match self.batch() {
            Ok(batch) => {
                self.sound = self.len - self.left;
                Ok(Some(batch))
            }
            Err(Stop::Broken) => Ok(None),
            Err(Stop::Io(error)) => Err(error),
        }
    }

    fn batch(&mut self) -> Result<Batch, Stop> {
        self.expect([START])?;
        let count = u32::from_le_bytes(self.array()?);
        let seqno = u64::from_le_bytes(self.array()?);
        let mut batch = Batch { seqno, link: None, writes: Vec::new() };
        let mut checksum = Xxh3::new();
        for _ in 0..count {
            self.item(&mut batch, &mut checksum)?;
        }
        self.expect([END])?;
        self.expect(checksum.digest().to_le_bytes())?;
        self.expect(MAGIC)?;
        Ok(batch)
    }

    fn item(&mut self, batch: &mut Batch, checksum: &mut Xxh3) -> Result<(), Stop> {
        let [tag, kind, compression] = self.array()?;
        if tag != ITEM {
            return Err(Stop::Broken);
        }
        let tree: [u8; 8] = self.array()?;
        let key_len: [u8; 2] = self.array()?;
        let value_len: [u8; 4] = self.array()?;
        let stored_len: [u8; 4] = self.array()?;
        checksum.update(&[tag, kind, compression]);
        for part in [&tree[..], &key_len, &value_len, &stored_len] {
            checksum.update(part);
        }
        let mut name = vec![0; usize::from(u16::from_le_bytes(key_len))];
        self.fill(&mut name)?;
        checksum.update(&name);
        let is_link = name == LINK;
        let value = self.value(u32::from_le_bytes(stored_len), is_link, checksum)?;
        if is_link {
            batch.link = Link::decode(&value).filter(|_| compression == PLAIN);
        } else {
            batch.writes.push(Write { name, is_removal: kind == REMOVAL });
        }
        Ok(())
    }

    /// Reads a value of any size in pieces. Returns its bytes if `is_wanted`, otherwise an empty vector.
    fn value(&mut self, len: u32, is_wanted: bool, checksum: &mut Xxh3) -> Result<Vec<u8>, Stop> {
        let mut left = len as usize;
        let mut piece = vec![0; left.min(64 * 1024)];
        let mut value = Vec::new();
        while left > 0 {
            piece.truncate(left);
            self.fill(&mut piece)?;
            checksum.update(&piece);
            if is_wanted {
                value.extend_from_slice(&piece);
            }
            left -= piece.len();
        }
        Ok(value)
    }

    fn expect<const N: usize>(&mut self, wanted: [u8; N]) -> Result<(), Stop> {
        if self.array()? == wanted { Ok(()) } else { Err(Stop::Broken) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Stop> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(Stop::Broken)?;
        self.file.read_exact(bytes)?;
        Ok(())
    }
}
