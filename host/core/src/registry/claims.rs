//! Mapping from objects to claim keys.
//!
//! A key is a number of fixed width, so that no byte of an object's name reaches the registry's paths.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::id::ObjectId;

/// Scope of one claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// One object: unrestricted placement, one registry write per activation.
    Object,
    /// All objects of one of this many partitions: activations need no registry write.
    Partitions(u32),
}

/// Identifier of a claim: a hash of the object or partition that it covers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimKey(u128);

impl Granularity {
    /// Returns the key of the claim that covers `id`.
    #[must_use]
    pub fn key_of(self, id: &ObjectId) -> ClaimKey {
        let hash = hash_of(id.as_str());
        match self {
            Self::Object => ClaimKey(hash),
            // A second hash spreads the keys of neighbouring partitions as evenly as those of objects.
            Self::Partitions(count) => {
                let partition = hash % u128::from(count.max(1));
                ClaimKey(hash_of(&format!("partition {partition} of {count}")))
            }
        }
    }
}

impl ClaimKey {
    /// Returns the key as a number, evenly distributed over all of its bits.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        self.0
    }

    /// Creates the key with this number, as parsed from a znode name.
    #[must_use]
    pub fn from_u128(number: u128) -> Self {
        Self(number)
    }
}

/// Formats the value as the configuration writes it.
impl fmt::Display for Granularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object => f.write_str("object"),
            Self::Partitions(count) => write!(f, "partitions = {count}"),
        }
    }
}

/// Formats the key as 32 hexadecimal digits.
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
