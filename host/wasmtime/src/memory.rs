//! Memory accounting of guests: limits an instance's memories together, and counts them in the node's total.
//!
//! A guest that reaches its own limit sees that its memory does not grow, as the Wasm specification says. A guest
//! that finds the node's memory in use is stopped: the reason lies outside of it, so its code must not answer for it.

use std::sync::Arc;

use highlander_core::memory::eviction::InstanceMemory;
use highlander_core::memory::{MemoryKind, MemoryTotal};
use wasmtime::ResourceLimiter;

use super::config::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};

/// Size of one element of a table: a pointer.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// The memory of the node is in use.
#[derive(Debug, thiserror::Error)]
#[error("the memory of the node is in use")]
pub(super) struct NodeMemoryFull;

/// Memory use and limit of one instance.
#[derive(Debug)]
pub(super) struct Memory {
    /// Bytes of its linear memories.
    used: usize,
    /// Bytes of its tables.
    table_bytes: usize,
    /// `used` after its first `restore`.
    restored: Option<usize>,
    max: usize,
    /// Whether growth was denied in this call, which explains a subsequent trap as lack of memory.
    denied: bool,
    total: Arc<MemoryTotal>,
}

impl Memory {
    pub(super) fn new(max: usize, total: Arc<MemoryTotal>) -> Self {
        Self { used: 0, table_bytes: 0, restored: None, max, denied: false, total }
    }

    pub(super) fn begin_call(&mut self) {
        self.denied = false;
    }

    /// Records that the instance was restored.
    pub(super) fn restored(&mut self) {
        self.restored.get_or_insert(self.used);
    }

    /// Returns the limit if the guest reached it in this call.
    pub(super) fn exceeded(&self) -> Option<usize> {
        self.denied.then_some(self.max)
    }

    /// Returns the limit for all instances of the node together.
    pub(super) fn node_max(&self) -> usize {
        self.total.max()
    }

    /// Returns the sizes by which the instance is kept or replaced.
    pub(super) fn size(&self) -> InstanceMemory {
        let restored_bytes = self.restored.unwrap_or(self.used);
        InstanceMemory { bytes: self.used, restored_bytes, max: self.max }
    }

    fn count(&self, bytes: usize) -> Result<(), NodeMemoryFull> {
        if self.total.try_add(MemoryKind::Instances, bytes) { Ok(()) } else { Err(NodeMemoryFull) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.total.remove(MemoryKind::Instances, self.used + self.table_bytes);
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let is_within_own_maximum = maximum.is_none_or(|maximum| desired <= maximum);
        if !is_within_own_maximum || self.used.saturating_add(more) > self.max {
            self.denied = true;
            return Ok(false);
        }
        self.count(more)?;
        self.used += more;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // The bytes stay counted until the instance ends: wasmtime also reports growth that was never counted.
        self.denied = true;
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS_MAX {
            return Ok(false);
        }
        let more = desired.saturating_sub(current) * TABLE_ELEMENT_BYTES;
        self.count(more)?;
        self.table_bytes += more;
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}
