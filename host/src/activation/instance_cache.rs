//! Cache of idle instances, bounded by their number and by the memory of the node.
//!
//! Dropping an instance is always safe, because the snapshot in the activation is authoritative. An instance in use
//! is held by its task and not by the cache; together they never exceed the limit. `highlander_core::memory` decides
//! which instances go first, and when new ones wait.

mod permit;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use highlander_core::clock::BootTime;
use highlander_core::id::ObjectId;
use highlander_core::memory::MemoryTotal;
use highlander_core::memory::eviction::{Oldest, SIZE_CLASS_COUNT, size_class, victim};
use highlander_system::clock;
use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use crate::metrics::Metrics;
pub use permit::{Admission, CachedInstance, InstancePermit, NoMemory};

/// Size from which an instance is dropped on a thread that may block: the kernel takes milliseconds to take its pages
/// back. The smallest instances of most languages are below it.
const LARGE_BYTES_MIN: usize = 4 * 1024 * 1024;

/// Upper bound on the part of a call's time that remains when its wait for memory ends, so that the call is still
/// answered with the reason.
const RESERVE_MAX: Duration = Duration::from_millis(10);

/// Instance that is not in use.
#[derive(Debug)]
struct Idle {
    resident: CachedInstance,
    since: BootTime,
}

impl Idle {
    fn bytes(&self) -> usize {
        self.resident.instance.memory().bytes
    }
}

/// Idle instances by size class, each class by the time of the last use.
#[derive(Debug)]
struct IdleInstances([LruCache<ObjectId, Idle>; SIZE_CLASS_COUNT]);

impl IdleInstances {
    fn new() -> Self {
        Self(std::array::from_fn(|_| LruCache::unbounded()))
    }

    /// Removes and returns the object's instance. Few classes are in use at a time.
    fn take(&mut self, id: &ObjectId) -> Option<Idle> {
        self.0.iter_mut().filter(|class| !class.is_empty()).find_map(|class| class.pop(id))
    }

    /// Adds the object's instance, and returns an earlier one.
    fn put(&mut self, id: ObjectId, idle: Idle) -> Option<Idle> {
        let replaced = self.take(&id);
        let class = self.0.get_mut(size_class(idle.bytes()));
        class.expect("a size class is below the number of classes").put(id, idle);
        replaced
    }

    fn contains(&self, id: &ObjectId) -> bool {
        self.0.iter().any(|class| !class.is_empty() && class.contains(id))
    }

    /// Removes and returns the instance that goes first.
    fn pop_victim(&mut self, now: BootTime) -> Option<Idle> {
        let oldest = self.0.iter().enumerate().filter_map(|(class, instances)| {
            let (_, idle) = instances.peek_lru()?;
            Some(Oldest { class, bytes: idle.bytes(), idle: now.since(idle.since) })
        });
        let class = victim(oldest)?;
        self.0.get_mut(class)?.pop_lru().map(|(_, idle)| idle)
    }
}

/// Cache of idle instances.
#[derive(Debug)]
pub struct InstanceCache {
    idle: Mutex<IdleInstances>,
    places: Arc<Semaphore>,
    /// Number of tasks that wait for a permit because every instance is in use.
    waiting: AtomicUsize,
    memory: Arc<MemoryTotal>,
    /// Number of tasks that wait for memory, and the turn of the first of them.
    waiting_for_memory: AtomicUsize,
    memory_turn: Semaphore,
    /// Notified when an instance becomes idle although memory is scarce.
    returned: Notify,
    metrics: Arc<Metrics>,
}

impl InstanceCache {
    /// Returns a cache for at most `resident_max` instances, idle and in use, whose bytes the engine counts in
    /// `memory`.
    #[must_use]
    pub fn new(resident_max: usize, memory: Arc<MemoryTotal>, metrics: Arc<Metrics>) -> Self {
        Self {
            idle: Mutex::new(IdleInstances::new()),
            places: Arc::new(Semaphore::new(resident_max)),
            waiting: AtomicUsize::new(0),
            memory,
            waiting_for_memory: AtomicUsize::new(0),
            memory_turn: Semaphore::new(1),
            returned: Notify::new(),
            metrics,
        }
    }

    /// Removes and returns the object's instance, if it is cached.
    #[must_use]
    pub fn take(&self, id: &ObjectId) -> Option<CachedInstance> {
        self.idle.lock().take(id).map(|idle| idle.resident)
    }

    /// Caches an instance for the object's next call, unless it has grown so far that a new one must replace it.
    pub fn put(&self, id: ObjectId, resident: CachedInstance) {
        if resident.instance.memory().is_overgrown() {
            self.metrics.evicted_for_growth.inc();
            return self.discard(resident);
        }
        let now = clock::now();
        let mut idle = self.idle.lock();
        let replaced = idle.put(id, Idle { resident, since: now });
        let is_wanted = self.waiting.load(Ordering::SeqCst) > 0;
        let yielded = if is_wanted { idle.pop_victim(now) } else { None };
        // Instances are dropped outside the lock, because teardown is slow.
        drop(idle);
        if self.memory.needs_eviction() {
            self.returned.notify_one();
        }
        if yielded.is_some() {
            self.metrics.evicted_for_count.inc();
        }
        for idle in [replaced, yielded].into_iter().flatten() {
            self.discard(idle.resident);
        }
    }

    /// Whether an idle instance of the object is cached.
    #[must_use]
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.idle.lock().contains(id)
    }

    /// Drops the object's idle instance, if one is cached.
    pub fn remove(&self, id: &ObjectId) {
        if let Some(resident) = self.take(id) {
            self.discard(resident);
        }
    }

    /// Returns a permit for one more instance: a free one, or that of the idle instance that goes first. Waits if all
    /// are in use.
    ///
    /// While memory is scarce, `admission` decides whether the call waits for it.
    ///
    /// # Errors
    /// Memory was scarce until the deadline.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn permit(
        &self,
        admission: Admission,
        deadline: BootTime,
    ) -> Result<InstancePermit, NoMemory> {
        if admission == Admission::InTurn
            && (self.memory.is_scarce() || self.waiting_for_memory.load(Ordering::SeqCst) > 0)
        {
            self.wait_for_memory(deadline).await?;
        }
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(InstancePermit::new(permit, Arc::clone(&self.metrics)));
        }
        // Counted before the idle instances are checked, so that an instance put back afterwards is evicted for this
        // task.
        let _waiting = Waiting::new(&self.waiting);
        let evicted = self.idle.lock().pop_victim(clock::now());
        if let Some(idle) = evicted {
            self.metrics.evicted_for_count.inc();
            if idle.bytes() < LARGE_BYTES_MIN {
                return Ok(idle.resident.vacate());
            }
            self.discard(idle.resident);
        }
        let permit = Arc::clone(&self.places).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        Ok(InstancePermit::new(permit, Arc::clone(&self.metrics)))
    }

    async fn wait_for_memory(&self, deadline: BootTime) -> Result<(), NoMemory> {
        let _waiting = Waiting::new(&self.waiting_for_memory);
        let waiting = async {
            // The semaphore is never closed, and serves those who wait in order.
            let _turn = self.memory_turn.acquire().await;
            self.memory.not_scarce().await;
        };
        let left = deadline.since(clock::now());
        let left = left.saturating_sub((left / 8).min(RESERVE_MAX));
        timeout(left, waiting).await.map_err(|_| NoMemory(self.memory.max()))
    }

    /// Drops an instance, on another thread if that takes long.
    fn discard(&self, resident: CachedInstance) {
        let runtime = tokio::runtime::Handle::try_current();
        match runtime {
            Ok(runtime) if resident.instance.memory().bytes >= LARGE_BYTES_MIN => {
                // Their number is bounded by the permits, which they hold until they are dropped.
                runtime.spawn_blocking(move || drop(resident));
            }
            _ => drop(resident),
        }
    }

    /// Drops idle instances until the node uses little enough memory, or none is left. Blocks for as long as the
    /// kernel takes.
    pub fn evict(&self) {
        let target = self.memory.begin_eviction();
        while self.memory.used() > target {
            let evicted = self.idle.lock().pop_victim(clock::now());
            let Some(evicted) = evicted else { return };
            drop(evicted);
            self.metrics.evicted_for_memory.inc();
        }
    }

    /// Waits until an instance becomes idle although memory is scarce.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn returned(&self) {
        self.returned.notified().await;
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
