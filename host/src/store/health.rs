//! Health tracking of a store: how long every read, and every write, has been without success.
//!
//! All requests are forwarded unchanged. Any answer resets the first duration, and only a completed write resets
//! the second, because a full disk or a bucket over its quota still answers reads. Both durations start with the
//! first unanswered request, not when that request times out.

mod silence;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use highlander_core::store::{Blob, Condition, Error, Page, PutOutcome, Store};
use parking_lot::Mutex;

use self::silence::Silence;

/// Blob that is rewritten to check whether the store accepts writes.
const PROBE: &str = "probe/writes.json";
/// Content of the probe blob. A write changes only its ETag.
const PROBE_CONTENT: &[u8] =
    br#"{"about":"rewritten by nodes to learn whether the store takes writes"}"#;

/// Store wrapper that records since when the store has been failing.
#[derive(Debug)]
pub struct HealthTrackingStore {
    inner: Arc<dyn Store>,
    reads: Silence,
    writes: Silence,
    /// Error message of the newest failed write, until a write succeeds.
    failure: Mutex<Option<String>>,
}

/// How long a store has been failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// For how long it has answered no request.
    pub silent: Duration,
    /// For how long no write took place although some were sent.
    pub unwritten: Duration,
}

impl Failing {
    /// Derives the duration of the silence from those of failing reads and writes. A store that answers reads may take
    /// up to `slow` for one.
    ///
    /// A store that answers neither reads nor writes has been silent since the first of both.
    fn of(unread: Duration, unwritten: Duration, slow: Duration) -> Self {
        let answers_reads = unread < slow;
        let silent = if answers_reads { unread } else { unread.max(unwritten) };
        Self { silent, unwritten }
    }
}

impl HealthTrackingStore {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            reads: Silence::default(),
            writes: Silence::default(),
            failure: Mutex::default(),
        }
    }

    /// Returns how long the store has been failing. A read that takes `slow` counts as unanswered.
    #[must_use]
    pub fn failing(&self, slow: Duration) -> Failing {
        Failing::of(self.reads.lasts(), self.writes.lasts(), slow)
    }

    /// Returns the store's error message for the newest failed write.
    #[must_use]
    pub fn write_failure(&self) -> String {
        let failure = self.failure.lock().clone();
        failure.unwrap_or_else(|| "it has not responded".to_owned())
    }

    /// Reads and rewrites a separate blob. The result counts like that of any other request.
    ///
    /// # Cancel safety
    /// If the future is dropped, the write may or may not take place.
    pub async fn probe(&self) {
        let Ok(found) = self.get(PROBE).await else { return };
        let condition = found.map_or(Condition::Absent, |blob| Condition::Matches(blob.etag));
        let content = Bytes::from_static(PROBE_CONTENT);
        if self.put(PROBE, content, condition).await == PutOutcome::PreconditionFailed {
            // Another node has rewritten the blob since it was read, so writes succeed.
            self.writes.begin().answered();
        }
    }

    fn note_failure(&self, why: Option<&str>) {
        let mut failure = self.failure.lock();
        *failure = why.map(str::to_owned);
    }
}

#[async_trait]
impl Store for HealthTrackingStore {
    async fn get(&self, name: &str) -> Result<Option<Blob>, Error> {
        let open = self.reads.begin();
        let read = self.inner.get(name).await;
        open.ended(has_answered(&read));
        read
    }

    async fn put(&self, name: &str, bytes: Bytes, condition: Condition) -> PutOutcome {
        let write = self.writes.begin();
        let put = self.inner.put(name, bytes, condition).await;
        // An unanswered write is no evidence about reads; the probe sends a read.
        if matches!(
            put,
            PutOutcome::Applied(_) | PutOutcome::PreconditionFailed | PutOutcome::Unavailable(_)
        ) {
            self.reads.begin().answered();
        }
        match &put {
            PutOutcome::Applied(_) => {
                self.note_failure(None);
                write.answered();
            }
            // The precondition failed, which is no evidence that a write would succeed.
            PutOutcome::PreconditionFailed => write.says_nothing(),
            PutOutcome::Unknown(why) | PutOutcome::Unavailable(why) | PutOutcome::Rejected(why) => {
                self.note_failure(Some(why));
            }
        }
        put
    }

    async fn delete(&self, name: &str) -> Result<(), Error> {
        self.inner.delete(name).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        let open = self.reads.begin();
        let listed = self.inner.list(prefix, after, limit).await;
        open.ended(has_answered(&listed));
        listed
    }
}

/// Whether the store answered. Damage of one blob is detected by a read that was answered.
fn has_answered<T>(read: &Result<T, Error>) -> bool {
    matches!(read, Ok(_) | Err(Error::Damaged(_)))
}

#[cfg(test)]
mod tests;
