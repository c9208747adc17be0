//! Bytes of the states of all active objects, counted in the memory of the node.
//!
//! Each entry of the table keeps the size that was counted for it, so that no list is summed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use highlander_core::memory::{MemoryKind, MemoryTotal};

/// Bytes of the states of one session.
#[derive(Debug)]
pub struct StateMemory {
    bytes: AtomicUsize,
    memory: Arc<MemoryTotal>,
}

impl StateMemory {
    /// Returns the count of a session without objects.
    #[must_use]
    pub fn new(memory: Arc<MemoryTotal>) -> Self {
        Self { bytes: AtomicUsize::new(0), memory }
    }

    /// Counts the new size of a state, of which `counted` bytes are counted.
    pub(super) fn count(&self, counted: &mut usize, bytes: usize) {
        let before = std::mem::replace(counted, bytes);
        if before != bytes {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.bytes.fetch_sub(before, Ordering::Relaxed);
            self.memory.resize(MemoryKind::States, before, bytes);
        }
    }
}

/// The states end with their session.
impl Drop for StateMemory {
    fn drop(&mut self) {
        self.memory.remove(MemoryKind::States, *self.bytes.get_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_counted_at_its_present_size_until_the_session_ends() {
        let memory = Arc::new(MemoryTotal::new(1000));
        let states = StateMemory::new(Arc::clone(&memory));
        let (mut one, mut other) = (0, 0);
        states.count(&mut one, 300);
        states.count(&mut other, 50);
        states.count(&mut one, 200);
        states.count(&mut one, 200);
        assert_eq!((one, other, memory.used_by(MemoryKind::States)), (200, 50, 250));
        states.count(&mut other, 0);
        assert_eq!(memory.used(), 200);
        drop(states);
        assert_eq!(memory.used(), 0);
    }
}
