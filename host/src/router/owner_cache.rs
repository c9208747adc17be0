//! Bounded LRU cache of object owners. Any entry may be stale.
//!
//! A stale entry costs at most a hop, because ownership is decided by the claim.

use std::fmt;
use std::num::NonZeroUsize;

use highlander_core::id::NodeId;
use highlander_core::registry::claims::ClaimKey;
use lru::LruCache;
use parking_lot::{Mutex, MutexGuard};

/// Number of locks over which the entries are sharded.
const SHARD_COUNT: usize = 16;

type Shard = Mutex<LruCache<ClaimKey, NodeId>>;

/// Cached owners by claim key.
pub(super) struct OwnerCache {
    shards: [Shard; SHARD_COUNT],
}

impl OwnerCache {
    /// Creates a cache of about `length` owners that evicts the least recently used.
    pub(super) fn new(length: usize) -> Self {
        let length = NonZeroUsize::new(length / SHARD_COUNT).unwrap_or(NonZeroUsize::MIN);
        Self { shards: std::array::from_fn(|_| Mutex::new(LruCache::new(length))) }
    }

    pub(super) fn get(&self, key: ClaimKey) -> Option<NodeId> {
        self.shard(key).get(&key).cloned()
    }

    pub(super) fn put(&self, key: ClaimKey, owner: NodeId) {
        self.shard(key).put(key, owner);
    }

    /// Removes the entry if it still names `node`.
    pub(super) fn forget(&self, key: ClaimKey, node: &NodeId) {
        let mut shard = self.shard(key);
        if shard.peek(&key) == Some(node) {
            shard.pop(&key);
        }
    }

    fn shard(&self, key: ClaimKey) -> MutexGuard<'_, LruCache<ClaimKey, NodeId>> {
        // Any bits of a key are equally good, and a remainder is below the number of shards.
        let index = (key.as_u128() % SHARD_COUNT as u128) as usize;
        let shard = self.shards.get(index).expect("a remainder is below its divisor");
        shard.lock()
    }
}

impl fmt::Debug for OwnerCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerCache").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_remembered_corrected_and_forgotten_within_a_bound() {
        let owners = OwnerCache::new(160);
        let (a, b) = (NodeId::new("a"), NodeId::new("b"));
        for n in 0..1600 {
            owners.put(ClaimKey::from_u128(n), a.clone());
        }
        let known = (0..1600).filter(|n| owners.get(ClaimKey::from_u128(*n)).is_some()).count();
        assert_eq!(known, 160);
        let key = ClaimKey::from_u128(1599);
        owners.put(key, b.clone());
        owners.forget(key, &a);
        assert_eq!(owners.get(key), Some(b.clone()));
        owners.forget(key, &b);
        assert_eq!(owners.get(key), None);
    }
}
