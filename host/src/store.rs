//! The store port: blobs that are read whole and written under a condition.
//!
//! The condition is what keeps an object's history one line, so an adapter that cannot enforce it for two writers at
//! the same moment is not an adapter. The port knows blobs and ETags, not records: those are in [`record`].
//! Every adapter passes [`conformance`].

pub mod conformance;
pub mod embedded;
pub mod memory;
pub mod probe;
pub mod record;
pub mod s3;
pub mod watched;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

/// What the store calls one content of a blob: it changes with every write. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(Arc<str>);

impl ETag {
    /// An ETag from what the store calls it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// What the store calls it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One blob as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its content.
    pub bytes: Bytes,
    /// What the store calls this content.
    pub etag: ETag,
}

/// Under which condition a write may take place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is no blob of this name.
    Absent,
    /// The blob has this content still.
    Matches(ETag),
}

/// What came of a conditional write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// The write took place and is durable.
    Applied(ETag),
    /// The condition does not hold, and this attempt changed nothing. An earlier attempt may have: read, and compare.
    Refused,
    /// It cannot be told whether the write took place, or will: send the same bytes under the same condition again.
    Undecided(String),
    /// The store cannot take a write now, a full disk for example, and this attempt changed nothing. An earlier one may
    /// have, and a later one may be taken.
    Unavailable(String),
    /// The store will not take this write, now or later; it did not take place.
    Denied(String),
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Names of blobs, in the order of their bytes.
    pub names: Vec<String>,
    /// Whether more follow after the last of them.
    pub has_more: bool,
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store does not answer, or not in a way that can be understood: try again.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// The store refuses to be read: nothing that repetition mends.
    #[error("the store refuses: {0}")]
    Denied(String),
    /// What was asked for is there, and not as it was written: nothing that repetition mends. All else can be read.
    #[error("the store has damage: {0}")]
    Damaged(String),
}

/// Holds blobs.
///
/// Names are at most 1,024 bytes of ASCII. For one name, reads and writes are linearizable.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The blob `name`, or nothing where there is none.
    ///
    /// # Errors
    /// See [`Error`].
    ///
    /// # Cancel safety
    /// Nothing is changed.
    async fn get(&self, name: &str) -> Result<Option<Blob>, Error>;

    /// Writes the whole blob `name` if `condition` holds, and returns when it is durable.
    ///
    /// # Cancel safety
    /// The write may or may not take place, as after [`Put::Undecided`].
    async fn put(&self, name: &str, bytes: Bytes, condition: Condition) -> Put;

    /// Removes the blob `name`, if it is there.
    ///
    /// No condition guards it, so that it is only for names that no content is written under again: a removal that was
    /// held up on its way would take the new content with it.
    ///
    /// # Errors
    /// See [`Error`]; the blob may have been removed all the same, or be removed later.
    ///
    /// # Cancel safety
    /// As after an error.
    async fn remove(&self, name: &str) -> Result<(), Error>;

    /// Names beginning with `prefix` and greater than `after`, at most `limit` of them.
    ///
    /// # Errors
    /// See [`Error`].
    ///
    /// # Cancel safety
    /// Nothing is changed.
    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error>;
}
