//! The reference models: what an object answers at each version, if it behaves.
//!
//! A counter does not know which changes were made, only how many; a journal knows them all, in order.

use super::Last;

/// What an object holds, by version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Model {
    /// Every change is an increment, so that its number is its version.
    Counter,
    /// The digest at each version, from 0.
    Journal(Vec<u64>),
}

impl Model {
    /// The model of an object that ended like this.
    pub(super) fn of(last: &Last) -> Self {
        let Some(entries) = &last.entries else { return Self::Counter };
        let mut digests = vec![0];
        let mut digest = 0;
        for entry in entries {
            digest = extended(digest, *entry);
            digests.push(digest);
        }
        Self::Journal(digests)
    }

    /// What the object says at this version; nothing where it never was at it.
    pub(super) fn value(&self, version: u64) -> Option<u64> {
        match self {
            Self::Counter => Some(version),
            Self::Journal(digests) => digests.get(usize::try_from(version).ok()?).copied(),
        }
    }
}

/// The digest with one entry more, as the guest `journal` computes it.
pub(super) fn extended(digest: u64, entry: u64) -> u64 {
    (digest ^ entry).wrapping_mul(0x0100_0000_01b3).wrapping_add(1)
}
