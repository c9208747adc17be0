//! What the store holds for one object: its state and the bookkeeping that belongs to it.
//!
//! This file says what a record is; [`codec`] says how it is written, field by field as `docs/formats.md` has it.
//! Nothing here decides anything: the activation does.

pub mod codec;
pub mod dealings;

use std::sync::Arc;

use bytes::Bytes;
use dealings::Dealings;
use rand::RngExt as _;

use crate::id::{Digest, NodeId, ObjectId};
use crate::limits::RECENT_WRITES_MAX;

/// Number of committed changes of an object; 0 before the first.
pub type Version = u64;

/// Which owner in the line of owners wrote a record; it never falls.
pub type Epoch = u64;

/// 128 random bits, new for each write: how an owner recognises its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WriteId(pub [u8; 16]);

impl WriteId {
    /// New random bits.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::rng().random())
    }
}

/// A write that a record remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// The version that the write made.
    pub version: Version,
    /// The write's own mark.
    pub id: WriteId,
}

/// The newest writes of an object, oldest first, at most [`RECENT_WRITES_MAX`]; the last is the record's own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecentWrites(Vec<Write>);

impl RecentWrites {
    /// Takes writes, oldest first; of too many the oldest are forgotten.
    #[must_use]
    pub fn new(mut writes: Vec<Write>) -> Self {
        writes.drain(..writes.len().saturating_sub(RECENT_WRITES_MAX));
        Self(writes)
    }

    /// The same with one more.
    #[must_use]
    pub fn with(&self, write: Write) -> Self {
        let mut writes = Vec::with_capacity(self.0.len() + 1);
        writes.extend_from_slice(&self.0);
        writes.push(write);
        Self::new(writes)
    }

    /// The writes, oldest first.
    #[must_use]
    pub fn as_slice(&self) -> &[Write] {
        &self.0
    }

    /// The write of this mark, if it is remembered.
    #[must_use]
    pub fn find(&self, id: WriteId) -> Option<Write> {
        self.0.iter().copied().find(|write| write.id == id)
    }
}

/// An object's state as its component encoded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Media type of `bytes`: `application/json` is stored as plain JSON.
    pub content_type: Arc<str>,
    /// Version of the state's shape.
    pub schema_version: u32,
    /// The snapshot.
    pub bytes: Bytes,
}

impl State {
    /// The snapshot, where it is JSON.
    #[must_use]
    pub fn as_json(&self) -> Option<&Bytes> {
        (&*self.content_type == JSON).then_some(&self.bytes)
    }
}

/// Media type of states that are JSON.
pub const JSON: &str = "application/json";

/// What is remembered of a call that had an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredCall {
    /// The caller's key: 1 to 128 visible ASCII characters.
    pub key: Arc<str>,
    /// First 8 bytes of the SHA-256 of handler and argument: the same key for another call is refused.
    pub fingerprint: [u8; 8],
    /// The version that the call made.
    pub version: Version,
    /// The epoch of that version.
    pub epoch: Epoch,
    /// Number of the revision whose code answered.
    pub revision: u32,
    /// When, in the object's own time ([`Record::time_ms`]).
    pub time_ms: u64,
    /// The reply, while it is kept.
    pub reply: Option<Bytes>,
}

/// Everything that the store holds for one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose record this is.
    pub id: ObjectId,
    /// The newest committed version.
    pub version: Version,
    /// Which owner wrote it.
    pub epoch: Epoch,
    /// The node that wrote it.
    pub owner: NodeId,
    /// The newest writes; the last is this one.
    pub recent: RecentWrites,
    /// Number of the revision whose code made the state.
    pub revision: u32,
    /// Digest of that component.
    pub component: Digest,
    /// The object's own time in milliseconds: it advances only while the object is active, by the boot-time clock, so
    /// that no wall clock can shorten the memory of answered calls.
    pub time_ms: u64,
    /// Answered keyed calls, oldest first. Shared, because most commits change none of them.
    pub answered: Arc<[AnsweredCall]>,
    /// How often in a row this object's code was ended by its limits or a trap.
    pub faults: u32,
    /// What it has to do with others and with time. Shared, because most commits change nothing of it; nothing where it
    /// never had any.
    pub dealings: Option<Arc<Dealings>>,
    /// The state; nothing where the object is deleted.
    pub state: Option<State>,
}
