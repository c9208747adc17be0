//! A journal: keeps all updates in order, so that a test can check which updates took effect, how often, and when.

use highlander_sdk::prelude::*;

/// Entries in the order in which they were made.
#[derive(ObjectState)]
struct Journal {
    /// All entries.
    entries: Vec<u64>,
    /// Digest of all entries, so that each reply depends on every earlier update.
    digest: u64,
}

#[object]
impl Journal {
    /// Adds an entry, and returns the digest.
    fn append(&mut self, entry: u64) -> u64 {
        self.entries.push(entry);
        // FNV-1a, over 64-bit integers instead of bytes.
        self.digest = (self.digest ^ entry).wrapping_mul(0x0100_0000_01b3).wrapping_add(1);
        self.digest
    }

    /// Returns the digest.
    fn digest(&self) -> u64 {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::Harness;

    use super::Journal;

    #[test]
    fn the_digest_depends_on_all_entries_and_their_order() {
        let digest = |entries: &[u64]| {
            let mut journal = Harness::<Journal>::new();
            for entry in entries {
                journal.call("append", *entry).unwrap();
            }
            journal.call("digest", ()).unwrap()
        };
        assert_eq!(digest(&[]), json!(0));
        assert_ne!(digest(&[1, 2]), digest(&[2, 1]));
        assert_ne!(digest(&[1, 1]), digest(&[1]));
        assert_ne!(digest(&[0, 0]), digest(&[0]));
    }
}
