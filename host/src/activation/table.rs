//! The active objects of this node, by name.
//!
//! A warm object is an entry here and nothing else: no task, no channel, no timer.
//! The table is sharded, so that calls to different objects seldom meet at the same lock.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cell::Cell;
use crate::id::ObjectId;

const SHARD_COUNT: usize = 64;
/// A shard that is emptier than this fraction of its room gives memory back.
const SHRINK_FACTOR: usize = 4;

type Shard = HashMap<ObjectId, Arc<Cell>>;

/// All active objects.
#[derive(Debug)]
pub struct Table {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        let shards = (0..SHARD_COUNT).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new() }
    }

    /// The object's entry, made if there is none.
    #[must_use]
    pub fn enter(&self, id: &ObjectId) -> Arc<Cell> {
        let mut shard = self.shard(id);
        if let Some(cell) = shard.get(id) {
            return Arc::clone(cell);
        }
        let cell = Arc::new(Cell::new(id.clone()));
        shard.insert(id.clone(), Arc::clone(&cell));
        cell
    }

    /// The object's entry, if it has one.
    #[must_use]
    pub fn get(&self, id: &ObjectId) -> Option<Arc<Cell>> {
        self.shard(id).get(id).cloned()
    }

    /// Takes out this very entry.
    pub fn remove(&self, cell: &Arc<Cell>) {
        let mut shard = self.shard(cell.id());
        if shard.get(cell.id()).is_some_and(|found| Arc::ptr_eq(found, cell)) {
            shard.remove(cell.id());
        }
        if shard.len() * SHRINK_FACTOR < shard.capacity() {
            let roomy = shard.len() * 2;
            shard.shrink_to(roomy);
        }
    }

    /// How many objects are active.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Whether no object is active.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every entry that `chosen` picks. One shard is locked at a time, so entries come and go meanwhile.
    pub fn select(&self, mut chosen: impl FnMut(&Arc<Cell>) -> bool) -> Vec<Arc<Cell>> {
        let mut selected = Vec::new();
        for shard in &self.shards {
            selected.extend(lock(shard).values().filter(|cell| chosen(cell)).cloned());
        }
        selected
    }

    fn shard(&self, id: &ObjectId) -> MutexGuard<'_, Shard> {
        let index = self.hasher.hash_one(id) as usize % SHARD_COUNT;
        lock(self.shards.get(index).expect("the index is below the number of shards"))
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

/// A poisoned lock only says that another thread panicked: each change below is complete or was not begun.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
