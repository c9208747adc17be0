//! Active objects of this node, by id.
//!
//! A warm object is only an entry here: it has no task, no channel and no timer. The table is sharded, so that calls
//! to different objects seldom contend for the same lock.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use highlander_core::id::ObjectId;
use parking_lot::{Mutex, MutexGuard};

use crate::activation::slot::Slot;

const SHARD_COUNT: usize = 64;
/// A shard shrinks when it uses less than one part in this many of its capacity.
const SHRINK_FACTOR: usize = 4;

type Shard = HashMap<ObjectId, Arc<Slot>>;

/// All active objects.
#[derive(Debug)]
pub struct Table {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
}

impl Table {
    /// Returns an empty table.
    #[must_use]
    pub fn new() -> Self {
        let shards = (0..SHARD_COUNT).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new() }
    }

    /// Returns the object's entry, and creates it if there is none.
    #[must_use]
    pub fn enter(&self, id: &ObjectId) -> Arc<Slot> {
        let mut shard = self.shard(id);
        if let Some(slot) = shard.get(id) {
            return Arc::clone(slot);
        }
        let slot = Arc::new(Slot::new(id.clone()));
        shard.insert(id.clone(), Arc::clone(&slot));
        slot
    }

    /// Returns the object's entry, if it has one.
    #[must_use]
    pub fn get(&self, id: &ObjectId) -> Option<Arc<Slot>> {
        self.shard(id).get(id).cloned()
    }

    /// Removes this entry, unless another has replaced it.
    pub fn remove(&self, slot: &Arc<Slot>) {
        let mut shard = self.shard(slot.id());
        if shard.get(slot.id()).is_some_and(|found| Arc::ptr_eq(found, slot)) {
            shard.remove(slot.id());
        }
        if shard.len() * SHRINK_FACTOR < shard.capacity() {
            let roomy = shard.len() * 2;
            shard.shrink_to(roomy);
        }
    }

    /// Returns the number of active objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Whether no object is active.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns every entry that matches `chosen`. Only one shard is locked at a time, so entries may come and go
    /// concurrently.
    pub fn select(&self, mut chosen: impl FnMut(&Arc<Slot>) -> bool) -> Vec<Arc<Slot>> {
        let mut selected = Vec::new();
        for shard in &self.shards {
            selected.extend(shard.lock().values().filter(|slot| chosen(slot)).cloned());
        }
        selected
    }

    fn shard(&self, id: &ObjectId) -> MutexGuard<'_, Shard> {
        let index = self.hasher.hash_one(id) as usize % SHARD_COUNT;
        self.shards.get(index).expect("the index is less than the number of shards").lock()
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}
