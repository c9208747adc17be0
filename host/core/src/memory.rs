//! Memory of a node's objects: how many bytes are in use, under one total, and by what.
//!
//! [`MemoryTotal`] counts bytes and wakes those who wait for a change; [`eviction`] decides which instances a node
//! gives up. Above the high watermark, idle instances are evicted down to the low one, and new instances wait. The
//! room between the high watermark and the total is left to calls that have begun, and to the calls that they make:
//! so no call waits for memory that its callers hold.
//!
//! Invariant: no reservation of [`MemoryTotal::try_add`] raises the use above the total.

pub mod eviction;
mod waiters;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{cmp, fmt};

use waiters::Waiters;

/// Part of the total from which idle instances are evicted and new instances wait, in percent.
const HIGH_PERCENT: usize = 85;
/// Part of the total down to which idle instances are evicted, in percent.
const LOW_PERCENT: usize = 80;

/// Use of memory that is counted separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryKind {
    /// Linear memories and tables of instances.
    Instances,
    /// Memory reserved for the process that compiles components.
    Compiler,
    /// States of active objects.
    States,
    /// Responses that clients have not read yet.
    Buffers,
}

impl MemoryKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Instances, Self::Compiler, Self::States, Self::Buffers];

    /// Returns the word for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instances => "instances",
            Self::Compiler => "compiler",
            Self::States => "states",
            Self::Buffers => "buffers",
        }
    }
}

/// Bytes in use on a node, with their limit.
pub struct MemoryTotal {
    max: usize,
    used: AtomicUsize,
    by_kind: [AtomicUsize; MemoryKind::ALL.len()],
    /// Size of the largest reservation that was denied since the last eviction.
    wanted: AtomicUsize,
    /// Those who wait until memory becomes scarce.
    scarcity: Waiters,
    /// Those who wait until memory becomes free.
    room: Waiters,
}

impl MemoryTotal {
    /// Creates a total of `max` bytes, none of which are in use.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            max,
            used: AtomicUsize::new(0),
            by_kind: Default::default(),
            wanted: AtomicUsize::new(0),
            scarcity: Waiters::default(),
            room: Waiters::default(),
        }
    }

    /// Creates a total that is never reached, for engines without memory of their own.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// Returns the limit.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    /// Returns the bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::SeqCst)
    }

    /// Returns the bytes in use of one kind.
    #[must_use]
    pub fn used_by(&self, kind: MemoryKind) -> usize {
        self.of(kind).load(Ordering::Relaxed)
    }

    /// Counts more bytes, if the total allows them. Returns whether it does.
    #[must_use]
    pub fn try_add(&self, kind: MemoryKind, bytes: usize) -> bool {
        let sum = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.max);
        match self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, sum) {
            Ok(before) => {
                self.of(kind).fetch_add(bytes, Ordering::Relaxed);
                self.rose(before, bytes);
                true
            }
            Err(_) => {
                self.wanted.fetch_max(bytes, Ordering::SeqCst);
                self.scarcity.wake();
                false
            }
        }
    }

    /// Counts more bytes that are in use already, whatever the total is.
    pub fn add(&self, kind: MemoryKind, bytes: usize) {
        self.of(kind).fetch_add(bytes, Ordering::Relaxed);
        let before = self.used.fetch_add(bytes, Ordering::SeqCst);
        self.rose(before, bytes);
    }

    /// Counts fewer bytes: these are free again.
    pub fn remove(&self, kind: MemoryKind, bytes: usize) {
        self.of(kind).fetch_sub(bytes, Ordering::Relaxed);
        self.used.fetch_sub(bytes, Ordering::SeqCst);
        self.room.wake();
    }

    /// Replaces the count of a kind that one task measures at intervals, and that is not counted otherwise.
    pub fn set(&self, kind: MemoryKind, bytes: usize) {
        self.resize(kind, self.used_by(kind), bytes);
    }

    /// Counts bytes that were counted as `before` as `now`, whatever the total is.
    pub fn resize(&self, kind: MemoryKind, before: usize, now: usize) {
        match now.cmp(&before) {
            cmp::Ordering::Greater => self.add(kind, now - before),
            cmp::Ordering::Less => self.remove(kind, before - now),
            cmp::Ordering::Equal => {}
        }
    }

    /// Reserves bytes until the reservation is dropped; `None` if the total does not allow them.
    #[must_use]
    pub fn reserve(self: &Arc<Self>, kind: MemoryKind, bytes: usize) -> Option<Reservation> {
        let is_granted = self.try_add(kind, bytes);
        is_granted.then(|| Reservation { total: Arc::clone(self), kind, bytes })
    }

    /// Whether use is at the high watermark or above it, so that new instances wait.
    #[must_use]
    pub fn is_scarce(&self) -> bool {
        self.used() >= percent(self.max, HIGH_PERCENT)
    }

    /// Whether idle instances must be evicted: memory is scarce, or a reservation was denied.
    #[must_use]
    pub fn needs_eviction(&self) -> bool {
        self.is_scarce() || self.wanted.load(Ordering::SeqCst) > 0
    }

    /// Begins an eviction: returns the use down to which idle instances must be evicted. The next denial asks for
    /// another eviction.
    #[must_use]
    pub fn begin_eviction(&self) -> usize {
        eviction_target(self.max, self.wanted.swap(0, Ordering::SeqCst))
    }

    /// Waits until idle instances must be evicted.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn eviction_needed(&self) {
        self.scarcity.until(|| self.needs_eviction()).await;
    }

    /// Waits until use is below the high watermark.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn not_scarce(&self) {
        self.room.until(|| !self.is_scarce()).await;
    }

    /// Waits until so many bytes can be reserved, and reserves them.
    ///
    /// # Cancel safety
    /// Nothing stays reserved.
    pub async fn reserved(self: &Arc<Self>, kind: MemoryKind, bytes: usize) -> Reservation {
        let mut reservation = None;
        self.room
            .until(|| {
                reservation = self.reserve(kind, bytes);
                reservation.is_some()
            })
            .await;
        reservation.expect("the wait ends with a reservation")
    }

    fn of(&self, kind: MemoryKind) -> &AtomicUsize {
        let [instances, compiler, states, buffers] = &self.by_kind;
        match kind {
            MemoryKind::Instances => instances,
            MemoryKind::Compiler => compiler,
            MemoryKind::States => states,
            MemoryKind::Buffers => buffers,
        }
    }

    /// Wakes the evictor if this growth reached the high watermark.
    fn rose(&self, before: usize, bytes: usize) {
        let high = percent(self.max, HIGH_PERCENT);
        if before < high && before.saturating_add(bytes) >= high {
            self.scarcity.wake();
        }
    }
}

impl fmt::Debug for MemoryTotal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTotal")
            .field("used", &self.used())
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

/// Bytes that are counted until they are dropped.
#[derive(Debug)]
pub struct Reservation {
    total: Arc<MemoryTotal>,
    kind: MemoryKind,
    bytes: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.total.remove(self.kind, self.bytes);
    }
}

/// Returns the use down to which idle instances are evicted, so that `wanted` bytes fit.
fn eviction_target(max: usize, wanted: usize) -> usize {
    percent(max, LOW_PERCENT).min(max.saturating_sub(wanted))
}

fn percent(bytes: usize, percent: usize) -> usize {
    // Divided first: the product could overflow.
    bytes / 100 * percent + bytes % 100 * percent / 100
}

#[cfg(test)]
mod tests;
