//! The instances that are kept: a bounded cache, least recently used first out.
//!
//! Dropping an instance is always safe, because the snapshot in the activation is the truth.
//! An instance in use is held by its task and not in the cache; both kinds together never exceed the bound.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::Instance;
use crate::id::{Digest, ObjectId};
use crate::metrics::Metrics;

/// An instance with its place under the bound.
#[derive(Debug)]
pub struct Resident {
    /// The instance.
    pub instance: Box<dyn Instance>,
    /// The component it is of.
    pub component: Digest,
    place: Place,
}

/// The right to hold one instance.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Place {
    /// Fills the place.
    #[must_use]
    pub fn fill(self, instance: Box<dyn Instance>, component: Digest) -> Resident {
        Resident { instance, component, place: self }
    }
}

impl Resident {
    /// Drops the instance and keeps its place.
    #[must_use]
    pub fn vacate(self) -> Place {
        self.place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.resident_objects.dec();
    }
}

/// The cache of instances that nobody uses at present.
#[derive(Debug)]
pub struct Residents {
    idle: Mutex<LruCache<ObjectId, Resident>>,
    places: Arc<Semaphore>,
    /// Tasks that wait for a place because every instance is in use.
    waiting: AtomicUsize,
    metrics: Arc<Metrics>,
}

impl Residents {
    /// A cache for at most `resident_max` instances, used and unused.
    #[must_use]
    pub fn new(resident_max: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            idle: Mutex::new(LruCache::unbounded()),
            places: Arc::new(Semaphore::new(resident_max)),
            waiting: AtomicUsize::new(0),
            metrics,
        }
    }

    /// Takes the object's instance out, if it is kept.
    #[must_use]
    pub fn take(&self, id: &ObjectId) -> Option<Resident> {
        self.idle().pop(id)
    }

    /// Keeps an instance for the object's next call.
    pub fn put(&self, id: ObjectId, resident: Resident) {
        let mut idle = self.idle();
        let replaced = idle.put(id, resident);
        let is_wanted = self.waiting.load(Ordering::SeqCst) > 0;
        let yielded = if is_wanted { idle.pop_lru() } else { None };
        // Instances are dropped without the lock: to tear one down takes a while.
        drop(idle);
        drop((replaced, yielded));
    }

    /// Whether an unused instance of the object is kept.
    #[must_use]
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.idle().contains(id)
    }

    /// A place for one more instance: a free one, or that of the unused instance that was used least recently.
    /// Where all are in use it waits for one.
    ///
    /// # Cancel safety
    /// Nothing is taken.
    pub async fn place(&self) -> Place {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return self.occupy(permit);
        }
        // Counted before the look at the unused ones, so that an instance put back after it is yielded.
        let _waiting = Waiting::new(&self.waiting);
        let evicted = self.idle().pop_lru();
        if let Some((_, resident)) = evicted {
            self.metrics.instances_evicted.inc();
            return resident.vacate();
        }
        let permit = Arc::clone(&self.places).acquire_owned().await;
        self.occupy(permit.expect("the semaphore is never closed"))
    }

    fn occupy(&self, permit: OwnedSemaphorePermit) -> Place {
        self.metrics.resident_objects.inc();
        Place { _permit: permit, metrics: Arc::clone(&self.metrics) }
    }

    /// Makes the object's unused instance go, if one is kept.
    pub fn remove(&self, id: &ObjectId) {
        drop(self.take(id));
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, LruCache<ObjectId, Resident>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
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
