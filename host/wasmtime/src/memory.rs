//! Memory accounting of guests: limits an instance's memories together, and sums the memory of the node.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::ResourceLimiter;

use super::config::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};

/// Bytes of guest memory on the whole node.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryGauge(Arc<AtomicUsize>);

impl MemoryGauge {
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Memory use and limit of one instance.
#[derive(Debug)]
pub(super) struct Memory {
    used: usize,
    max: usize,
    /// Whether growth was denied in this call, which explains a subsequent trap as lack of memory.
    denied: bool,
    gauge: MemoryGauge,
}

impl Memory {
    pub(super) fn new(max: usize, gauge: MemoryGauge) -> Self {
        Self { used: 0, max, denied: false, gauge }
    }

    pub(super) fn begin_call(&mut self) {
        self.denied = false;
    }

    /// Returns the limit if the guest reached it in this call.
    pub(super) fn exceeded(&self) -> Option<usize> {
        self.denied.then_some(self.max)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.gauge.0.fetch_sub(self.used, Ordering::Relaxed);
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
        self.used += more;
        self.gauge.0.fetch_add(more, Ordering::Relaxed);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.denied = true;
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
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
