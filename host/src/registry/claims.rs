//! Which claim covers which object: the one function from an object to its claim's key.
//!
//! A key is a number of fixed width, so that no byte of an object's name reaches the registry's paths.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::id::ObjectId;

/// How much one claim covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// One object: full freedom of placement, one write to the registry for each activation.
    Object,
    /// All objects of one of so many partitions: activations cost the registry nothing.
    Partitions(u32),
}

/// Names one claim: a hash of what it covers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimKey(u128);

impl Granularity {
    /// The key of the claim that covers `id`.
    #[must_use]
    pub fn key_of(self, id: &ObjectId) -> ClaimKey {
        let hash = hash_of(id.as_str());
        match self {
            Self::Object => ClaimKey(hash),
            // Hashed again, so that keys of neighbouring partitions are spread like those of objects.
            Self::Partitions(count) => {
                let partition = hash % u128::from(count.max(1));
                ClaimKey(hash_of(&format!("partition {partition} of {count}")))
            }
        }
    }
}

impl ClaimKey {
    /// The key as a number, spread evenly over all of its bits.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        self.0
    }

    /// The key with this number, as it was read back from a name.
    #[must_use]
    pub fn from_u128(number: u128) -> Self {
        Self(number)
    }
}

/// As in the settings.
impl fmt::Display for Granularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object => f.write_str("object"),
            Self::Partitions(count) => write!(f, "partitions = {count}"),
        }
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimKey({self})")
    }
}

fn hash_of(text: &str) -> u128 {
    let digest = Sha256::digest(text.as_bytes());
    let first: Option<[u8; 16]> = digest.get(..16).and_then(|bytes| bytes.try_into().ok());
    u128::from_be_bytes(first.expect("a SHA-256 has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn key(granularity: Granularity, n: u32) -> ClaimKey {
        granularity.key_of(&ObjectId::new("todo", &n.to_string()).unwrap())
    }

    #[test]
    fn each_object_has_a_claim_of_its_own() {
        let keys: BTreeSet<_> = (0..1000).map(|n| key(Granularity::Object, n)).collect();
        assert_eq!(keys.len(), 1000);
    }

    #[test]
    fn objects_share_no_more_claims_than_there_are_partitions() {
        let keys: BTreeSet<_> = (0..1000).map(|n| key(Granularity::Partitions(16), n)).collect();
        assert_eq!(keys.len(), 16);
    }

    #[test]
    fn a_key_reads_back_from_its_name() {
        let key = key(Granularity::Object, 7);
        let text = key.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(ClaimKey::from_u128(u128::from_str_radix(&text, 16).unwrap()), key);
    }
}
