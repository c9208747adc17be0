//! A store whose silence is noticed: since when has it left every read unanswered, and since when every write?
//!
//! It passes everything on unchanged. One answer of any kind ends the first count, and one write that took place the
//! second: a full disk, or a bucket over its quota, answers reads all the same. Both begin with the first request that
//! has no answer, not when that is given up.

mod silence;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use self::silence::Silence;
use super::{Blob, Condition, Error, Page, Put, Store};

/// The blob that is rewritten to learn whether the store takes writes.
const PROBE: &str = "probe/writes.json";
/// What it holds; a write changes its ETag alone.
const PROBE_CONTENT: &[u8] =
    br#"{"about":"rewritten by nodes to learn whether the store takes writes"}"#;

/// A store, and since when it fails.
#[derive(Debug)]
pub struct Watched {
    inner: Arc<dyn Store>,
    reads: Silence,
    writes: Silence,
    /// What came of the newest write that did not take place.
    failure: Mutex<String>,
}

impl Watched {
    /// Watches `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            reads: Silence::default(),
            writes: Silence::default(),
            failure: Mutex::default(),
        }
    }

    /// For how long no read was answered although some were sent.
    #[must_use]
    pub fn failing_for(&self) -> Duration {
        self.reads.lasts()
    }

    /// For how long no write took place although some were sent.
    #[must_use]
    pub fn failing_writes_for(&self) -> Duration {
        self.writes.lasts()
    }

    /// What the store said of the newest write that did not take place.
    #[must_use]
    pub fn write_failure(&self) -> String {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads and rewrites a blob of its own: what comes of that is counted as any other request is.
    ///
    /// # Cancel safety
    /// The write may or may not take place.
    pub async fn probe(&self) {
        let Ok(found) = self.get(PROBE).await else { return };
        let condition = found.map_or(Condition::Absent, |blob| Condition::Matches(blob.etag));
        let content = Bytes::from_static(PROBE_CONTENT);
        if self.put(PROBE, content, condition).await == Put::Refused {
            // Another node has rewritten it since it was read here.
            self.writes.begin().answered();
        }
    }

    fn note_failure(&self, why: &str) {
        why.clone_into(&mut self.failure.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[async_trait]
impl Store for Watched {
    async fn get(&self, name: &str) -> Result<Option<Blob>, Error> {
        let open = self.reads.begin();
        let read = self.inner.get(name).await;
        open.ended(has_answered(&read));
        read
    }

    async fn put(&self, name: &str, bytes: Bytes, condition: Condition) -> Put {
        let write = self.writes.begin();
        let put = self.inner.put(name, bytes, condition).await;
        // A write that has no answer says nothing of reads: the probe asks.
        if matches!(put, Put::Applied(_) | Put::Refused | Put::Unavailable(_)) {
            self.reads.begin().answered();
        }
        match &put {
            Put::Applied(_) => write.answered(),
            // The condition did not hold: whether a write would take place is not known.
            Put::Refused => write.says_nothing(),
            Put::Undecided(why) | Put::Unavailable(why) | Put::Denied(why) => {
                self.note_failure(why);
            }
        }
        put
    }

    async fn remove(&self, name: &str) -> Result<(), Error> {
        self.inner.remove(name).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        let open = self.reads.begin();
        let listed = self.inner.list(prefix, after, limit).await;
        open.ended(has_answered(&listed));
        listed
    }
}

/// Damage of one blob is found by reading: the store answers.
fn has_answered<T>(read: &Result<T, Error>) -> bool {
    matches!(read, Ok(_) | Err(Error::Damaged(_)))
}

#[cfg(test)]
mod tests;
