//! The registry of a single process: claims are entries of a table.
//!
//! A [`Directory`] is what ZooKeeper is to a cluster, a [`Session`] is one node's part in it. A session ends when it
//! is dropped or by [`Session::end`], never by time; its lease is over before its first claim is free.
//! Claims are spread over several locks, and a lock is held for one look-up only.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{Claimed, Error, NodeId, Registry};
use crate::clock::BootTime;
use crate::id::ObjectId;

/// Locks that the claims are spread over.
const SHARD_COUNT: usize = 32;
/// A table with fewer free places than this is left as it is.
const SPARE_MAX: usize = 1024;

type Claims = HashMap<ObjectId, Arc<Holder>>;

/// All claims of one cluster within one process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Directory {
    shards: Arc<[Mutex<Claims>; SHARD_COUNT]>,
    hasher: RandomState,
}

/// What is known of a session by its claims.
struct Holder {
    node: NodeId,
    claim_count: AtomicUsize,
    is_over: AtomicBool,
}

impl Directory {
    /// A directory without claims.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new session for `node`.
    #[must_use]
    pub fn join(&self, node: NodeId) -> Session {
        let holder =
            Holder { node, claim_count: AtomicUsize::new(0), is_over: AtomicBool::new(false) };
        Session { directory: self.clone(), holder: Arc::new(holder) }
    }

    fn shard(&self, id: &ObjectId) -> MutexGuard<'_, Claims> {
        let hash = self.hasher.hash_one(id);
        // The remainder is below the number of shards, whatever the width of a pointer.
        let index = (hash % SHARD_COUNT as u64) as usize;
        lock(self.shards.get(index).expect("a remainder is below its divisor"))
    }
}

/// A table whose lock was poisoned is whole all the same: no step of a change to it can panic halfway.
fn lock(shard: &Mutex<Claims>) -> MutexGuard<'_, Claims> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives memory back where most of it is unused, so that a node that was busy once is small again.
fn shrink(claims: &mut Claims) {
    if claims.capacity() > claims.len().saturating_mul(4).saturating_add(SPARE_MAX) {
        claims.shrink_to(claims.len().saturating_mul(2));
    }
}

/// One node's session.
pub struct Session {
    directory: Directory,
    holder: Arc<Holder>,
}

impl Session {
    /// Ends the session: first its lease, then its claims.
    pub fn end(&self) {
        // A claim looks at this under the lock of its shard, so none can slip in behind the loop below.
        self.holder.is_over.store(true, Ordering::SeqCst);
        for shard in self.directory.shards.iter() {
            let mut claims = lock(shard);
            claims.retain(|_, holder| !Arc::ptr_eq(holder, &self.holder));
            shrink(&mut claims);
        }
        self.holder.claim_count.store(0, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.holder.is_over.load(Ordering::SeqCst)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

#[async_trait]
impl Registry for Session {
    async fn claim(&self, id: &ObjectId) -> Result<Claimed, Error> {
        let mut claims = self.directory.shard(id);
        if self.is_over() {
            return Err(Error::SessionOver);
        }
        match claims.entry(id.clone()) {
            Entry::Occupied(entry) if Arc::ptr_eq(entry.get(), &self.holder) => {
                Ok(Claimed::Granted)
            }
            Entry::Occupied(entry) => Ok(Claimed::Held(entry.get().node.clone())),
            Entry::Vacant(entry) => {
                entry.insert(Arc::clone(&self.holder));
                self.holder.claim_count.fetch_add(1, Ordering::SeqCst);
                Ok(Claimed::Granted)
            }
        }
    }

    async fn release(&self, id: &ObjectId) -> Result<(), Error> {
        let mut claims = self.directory.shard(id);
        if claims.get(id).is_some_and(|holder| Arc::ptr_eq(holder, &self.holder)) {
            claims.remove(id);
            self.holder.claim_count.fetch_sub(1, Ordering::SeqCst);
            shrink(&mut claims);
        }
        Ok(())
    }

    async fn owner(&self, id: &ObjectId) -> Result<Option<NodeId>, Error> {
        Ok(self.directory.shard(id).get(id).map(|holder| holder.node.clone()))
    }

    fn lease_until(&self) -> BootTime {
        if self.is_over() { BootTime::from_boot(Duration::ZERO) } else { BootTime::FOREVER }
    }

    fn claim_count(&self) -> usize {
        self.holder.claim_count.load(Ordering::SeqCst)
    }

    fn node(&self) -> &NodeId {
        &self.holder.node
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claim_count: usize = self.shards.iter().map(|shard| lock(shard).len()).sum();
        f.debug_struct("Directory").field("claim_count", &claim_count).finish()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("node", &self.holder.node)
            .field("claim_count", &self.claim_count())
            .field("is_over", &self.is_over())
            .finish()
    }
}

#[cfg(test)]
mod tests;
