//! Bounded LRU cache of instances.
//!
//! Dropping an instance is always safe, because the snapshot in the activation is authoritative. An instance in use
//! is held by its task and not by the cache; together they never exceed the limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use highlander_core::engine::Instance;
use highlander_core::id::{Digest, ObjectId};
use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::Metrics;

/// Instance with its permit under the limit.
#[derive(Debug)]
pub struct CachedInstance {
    /// The instance.
    pub instance: Box<dyn Instance>,
    /// Digest of its component.
    pub component: Digest,
    place: InstancePermit,
}

/// Permit to hold one instance.
#[derive(Debug)]
pub struct InstancePermit {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl InstancePermit {
    /// Attaches an instance to the permit.
    #[must_use]
    pub fn fill(self, instance: Box<dyn Instance>, component: Digest) -> CachedInstance {
        CachedInstance { instance, component, place: self }
    }
}

impl CachedInstance {
    /// Drops the instance and keeps its permit.
    #[must_use]
    pub fn vacate(self) -> InstancePermit {
        self.place
    }
}

impl Drop for InstancePermit {
    fn drop(&mut self) {
        self.metrics.resident_objects.dec();
    }
}

/// Cache of idle instances.
#[derive(Debug)]
pub struct InstanceCache {
    idle: Mutex<LruCache<ObjectId, CachedInstance>>,
    places: Arc<Semaphore>,
    /// Number of tasks that wait for a permit because every instance is in use.
    waiting: AtomicUsize,
    metrics: Arc<Metrics>,
}

impl InstanceCache {
    /// Returns a cache for at most `resident_max` instances, idle and in use.
    #[must_use]
    pub fn new(resident_max: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            idle: Mutex::new(LruCache::unbounded()),
            places: Arc::new(Semaphore::new(resident_max)),
            waiting: AtomicUsize::new(0),
            metrics,
        }
    }

    /// Removes and returns the object's instance, if it is cached.
    #[must_use]
    pub fn take(&self, id: &ObjectId) -> Option<CachedInstance> {
        self.idle.lock().pop(id)
    }

    /// Caches an instance for the object's next call.
    pub fn put(&self, id: ObjectId, resident: CachedInstance) {
        let mut idle = self.idle.lock();
        let replaced = idle.put(id, resident);
        let is_wanted = self.waiting.load(Ordering::SeqCst) > 0;
        let yielded = if is_wanted { idle.pop_lru() } else { None };
        // Instances are dropped outside the lock, because teardown is slow.
        drop(idle);
        drop((replaced, yielded));
    }

    /// Whether an idle instance of the object is cached.
    #[must_use]
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.idle.lock().contains(id)
    }

    /// Returns a permit for one more instance: a free one, or that of the least recently used idle instance. Waits if
    /// all are in use.
    pub async fn permit(&self) -> InstancePermit {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return self.occupy(permit);
        }
        // Counted before the idle instances are checked, so that an instance put back afterwards is evicted for this
        // task.
        let _waiting = Waiting::new(&self.waiting);
        let evicted = self.idle.lock().pop_lru();
        if let Some((_, resident)) = evicted {
            self.metrics.instances_evicted.inc();
            return resident.vacate();
        }
        let permit = Arc::clone(&self.places).acquire_owned().await;
        self.occupy(permit.expect("the semaphore is never closed"))
    }

    fn occupy(&self, permit: OwnedSemaphorePermit) -> InstancePermit {
        self.metrics.resident_objects.inc();
        InstancePermit { _permit: permit, metrics: Arc::clone(&self.metrics) }
    }

    /// Drops the object's idle instance, if one is cached.
    pub fn remove(&self, id: &ObjectId) {
        drop(self.take(id));
    }
}

/// Counts a waiting task for as long as it waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
