//! The store port: named blobs that are read whole and written with conditional writes.
//!
//! Conditional writes keep each object's history linear. An adapter must enforce the condition even for two writes
//! at the same moment. Every adapter passes the conformance suite of `highlander-testing`. The content of an object's
//! blob is its [`record`].

pub mod record;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

/// ETag: identifies one content of a blob and changes with every write. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(Arc<str>);

impl ETag {
    /// Creates an ETag from the store's representation.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the store's representation.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Content of a blob with its ETag, as returned by a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// The content.
    pub bytes: Bytes,
    /// ETag of this content.
    pub etag: ETag,
}

/// Precondition of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The blob does not exist.
    Absent,
    /// The blob still has the content with this ETag.
    Matches(ETag),
}

/// Outcome of a conditional write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutOutcome {
    /// The write took place and is durable.
    Applied(ETag),
    /// The precondition failed, and this attempt changed nothing. An earlier attempt of the same write may have
    /// succeeded: read the blob and compare.
    PreconditionFailed,
    /// The outcome is unknown: the write may have taken place, or may still. Send the same bytes under the same
    /// condition again.
    Unknown(String),
    /// The store cannot take writes now, for example because the disk is full. This attempt changed nothing. An
    /// earlier attempt may have succeeded, and a later one may.
    Unavailable(String),
    /// The store rejected this write permanently; it did not take place.
    Rejected(String),
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Names of blobs in byte order.
    pub names: Vec<String>,
    /// Whether more names follow the last one.
    pub has_more: bool,
}

/// Reason why a read, listing or removal failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store sends no answer, or none that can be interpreted. Retry.
    #[error("the store does not respond: {0}")]
    Unavailable(String),
    /// The store denies the read. Retrying does not help.
    #[error("the store rejects the request: {0}")]
    Denied(String),
    /// The requested data exists but is damaged. Retrying does not help. Everything else remains readable.
    #[error("data in the store is damaged: {0}")]
    Damaged(String),
}

/// Blob storage with conditional writes.
///
/// Names are at most 1,024 bytes of ASCII. For one name, reads and writes are linearizable.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Returns the blob `name`, or `None` if it does not exist.
    ///
    /// # Errors
    /// See [`Error`].
    async fn get(&self, name: &str) -> Result<Option<Blob>, Error>;

    /// Writes the whole blob `name` if `condition` holds, and returns once it is durable.
    ///
    /// # Cancel safety
    /// If the future is dropped, the write may or may not take place, as after [`PutOutcome::Unknown`].
    async fn put(&self, name: &str, bytes: Bytes, condition: Condition) -> PutOutcome;

    /// Deletes the blob `name` if it exists.
    ///
    /// The deletion is unconditional. Use it only for names that are never written again: a delayed deletion would
    /// remove the new content.
    ///
    /// # Errors
    /// See [`Error`]. The blob may have been deleted anyway, or may be deleted later.
    ///
    /// # Cancel safety
    /// If the future is dropped, the blob may or may not be deleted, as after an error.
    async fn delete(&self, name: &str) -> Result<(), Error>;

    /// Returns at most `limit` names that begin with `prefix` and are greater than `after`.
    ///
    /// # Errors
    /// See [`Error`].
    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error>;
}
