//! Reference models: the correct response of an object at each version.
//!
//! A counter contains only the number of changes; a journal contains all changes in order.

use super::Last;

/// Content of an object, by version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Model {
    /// Every change is an increment, so the value equals the version.
    Counter,
    /// Digest at each version, from 0.
    Journal(Vec<u64>),
}

impl Model {
    /// Builds the model of an object with this last state.
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

    /// Returns the object's value at this version, or `None` if the version never existed.
    pub(super) fn value(&self, version: u64) -> Option<u64> {
        match self {
            Self::Counter => Some(version),
            Self::Journal(digests) => digests.get(usize::try_from(version).ok()?).copied(),
        }
    }
}

/// Returns the digest after one more entry, as the guest `journal` computes it.
pub(super) fn extended(digest: u64, entry: u64) -> u64 {
    (digest ^ entry).wrapping_mul(0x0100_0000_01b3).wrapping_add(1)
}
