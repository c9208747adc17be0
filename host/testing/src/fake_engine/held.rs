//! Memory that an instance of the fake engine pretends to use, counted in the node's total.

use std::sync::Arc;

use highlander_core::engine::Fault;
use highlander_core::memory::eviction::InstanceMemory;
use highlander_core::memory::{MemoryKind, MemoryTotal};

/// Memory that an instance pretends to use.
#[derive(Debug)]
pub(super) struct Held {
    bytes: usize,
    memory: Arc<MemoryTotal>,
}

impl Held {
    pub(super) fn new(memory: &Arc<MemoryTotal>) -> Self {
        Self { bytes: 0, memory: Arc::clone(memory) }
    }

    pub(super) fn memory(&self) -> InstanceMemory {
        // A new instance would use as much.
        InstanceMemory { bytes: self.bytes, restored_bytes: self.bytes, max: usize::MAX }
    }

    /// Uses this much from now on. Fails if the node's memory is in use; the instance then uses none.
    pub(super) fn set(&mut self, bytes: usize) -> Result<(), Fault> {
        self.memory.remove(MemoryKind::Instances, std::mem::take(&mut self.bytes));
        if !self.memory.try_add(MemoryKind::Instances, bytes) {
            return Err(Fault::NodeMemoryFull(self.memory.max()));
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.remove(MemoryKind::Instances, self.bytes);
    }
}
