//! Number of requests received, by kind.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::faults::Operation;

/// A counter for each kind of request.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    put: AtomicU64,
    get: AtomicU64,
    head: AtomicU64,
    delete: AtomicU64,
    list: AtomicU64,
}

impl Counts {
    pub(crate) fn add(&self, operation: Operation) {
        self.of(operation).fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, operation: Operation) -> u64 {
        self.of(operation).load(Ordering::Relaxed)
    }

    fn of(&self, operation: Operation) -> &AtomicU64 {
        match operation {
            Operation::Put => &self.put,
            Operation::Get => &self.get,
            Operation::Head => &self.head,
            Operation::Delete => &self.delete,
            Operation::List => &self.list,
        }
    }
}
