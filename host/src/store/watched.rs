//! A store whose failures are noticed: since when has it not answered at all?
//!
//! It passes everything on unchanged. One answer of any kind ends the count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Blob, Condition, Error, Page, Put, Store};
use crate::clock::BootTime;

/// A store, and since when it fails.
#[derive(Debug)]
pub struct Watched {
    inner: Arc<dyn Store>,
    /// Milliseconds since boot of the first failure that no answer followed; 0 for none.
    failing_since_ms: AtomicU64,
}

impl Watched {
    /// Watches `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, failing_since_ms: AtomicU64::new(0) }
    }

    /// For how long every request has failed; zero where the last one was answered.
    #[must_use]
    pub fn failing_for(&self) -> Duration {
        match self.failing_since_ms.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(now_ms().saturating_sub(since)),
        }
    }

    fn note(&self, has_answered: bool) {
        let failing = &self.failing_since_ms;
        if !has_answered {
            // The first failure counts; another thread may have noted it.
            let _ = failing.compare_exchange(0, now_ms(), Ordering::Relaxed, Ordering::Relaxed);
        } else if failing.load(Ordering::Relaxed) != 0 {
            failing.store(0, Ordering::Relaxed);
        }
    }
}

/// At least 1, because 0 means something else.
fn now_ms() -> u64 {
    let passed = BootTime::now().since(BootTime::from_boot(Duration::ZERO));
    u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[async_trait]
impl Store for Watched {
    async fn get(&self, name: &str) -> Result<Option<Blob>, Error> {
        let read = self.inner.get(name).await;
        self.note(read.is_ok());
        read
    }

    async fn put(&self, name: &str, bytes: Bytes, condition: Condition) -> Put {
        let put = self.inner.put(name, bytes, condition).await;
        self.note(matches!(put, Put::Applied(_) | Put::Refused));
        put
    }

    async fn remove(&self, name: &str) -> Result<(), Error> {
        let removed = self.inner.remove(name).await;
        self.note(removed.is_ok());
        removed
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        let listed = self.inner.list(prefix, after, limit).await;
        self.note(listed.is_ok());
        listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::{Memory, PutFault};

    #[tokio::test]
    async fn failures_count_from_the_first_one_until_an_answer() {
        let memory = Arc::new(Memory::new());
        let watched = Watched::new(Arc::clone(&memory) as Arc<dyn Store>);
        memory.script_puts([PutFault::LostRequest]);
        let put = watched.put("a", Bytes::new(), Condition::Absent).await;
        assert!(matches!(put, Put::Undecided(_)), "{put:?}");
        assert_ne!(watched.failing_since_ms.load(Ordering::Relaxed), 0);
        watched.get("a").await.unwrap();
        assert_eq!(watched.failing_for(), Duration::ZERO);
    }
}
