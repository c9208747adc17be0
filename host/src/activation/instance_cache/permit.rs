//! Permits to hold an instance, and instances with their permits.

use std::sync::Arc;

use highlander_core::engine::Instance;
use highlander_core::id::Digest;
use tokio::sync::OwnedSemaphorePermit;

use crate::metrics::Metrics;

/// Instance with its permit under the limit.
#[derive(Debug)]
pub struct CachedInstance {
    /// The instance.
    pub instance: Box<dyn Instance>,
    /// Digest of its component.
    pub component: Digest,
    // Declared after the instance, so that its place becomes free after its memory.
    place: InstancePermit,
}

/// Admission of a call that needs an instance while memory is scarce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The call waits until memory is no longer scarce, behind the calls that waited before it.
    InTurn,
    /// The call does not wait: objects that hold memory themselves wait for it.
    AtOnce,
}

/// Permit to hold one instance.
#[derive(Debug)]
pub struct InstancePermit {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

/// The call's deadline passed while the memory of the node was in use. Its size in bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct NoMemory(pub usize);

impl InstancePermit {
    /// Returns the permit for a place that is counted from now on.
    pub(super) fn new(permit: OwnedSemaphorePermit, metrics: Arc<Metrics>) -> Self {
        metrics.resident_objects.inc();
        Self { _permit: permit, metrics }
    }

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
