//! The stored record of one object: its state and the bookkeeping that belongs to it.
//!
//! This module defines the data. [`codec`] encodes it as `docs/formats.md` specifies.

pub mod codec;
pub mod effects;

use std::sync::Arc;

use bytes::Bytes;
use effects::DurableEffects;

use crate::events::ShownState;
use crate::id::{Digest, NodeId, ObjectId};
use crate::limits::RECENT_WRITES_MAX;

/// Number of committed changes of an object; 0 before the first.
pub type Version = u64;

/// Position of the writing owner in the sequence of owners; it never decreases.
pub type Epoch = u64;

/// 128 random bits, new for each write, by which an owner recognizes its own writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WriteId(pub [u8; 16]);

/// A write that a record remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// Version that the write created.
    pub version: Version,
    /// Id of the write.
    pub id: WriteId,
}

/// The newest writes of an object, oldest first, at most [`RECENT_WRITES_MAX`]. The last one is the record's own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecentWrites(Vec<Write>);

impl RecentWrites {
    /// Creates the list from writes, oldest first. If there are too many, the oldest are dropped.
    #[must_use]
    pub fn new(mut writes: Vec<Write>) -> Self {
        writes.drain(..writes.len().saturating_sub(RECENT_WRITES_MAX));
        Self(writes)
    }

    /// Returns a copy with `write` appended.
    #[must_use]
    pub fn with(&self, write: Write) -> Self {
        let mut writes = Vec::with_capacity(self.0.len() + 1);
        writes.extend_from_slice(&self.0);
        writes.push(write);
        Self::new(writes)
    }

    /// Returns the writes, oldest first.
    #[must_use]
    pub fn as_slice(&self) -> &[Write] {
        &self.0
    }

    /// Returns the write with this id, if it is remembered.
    #[must_use]
    pub fn find(&self, id: WriteId) -> Option<Write> {
        self.0.iter().copied().find(|write| write.id == id)
    }
}

/// An object's state as encoded by its component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Media type of `bytes`. `application/json` is stored as plain JSON.
    pub content_type: Arc<str>,
    /// Schema version of the state.
    pub schema_version: u32,
    /// The snapshot.
    pub bytes: Bytes,
}

impl State {
    /// Returns the snapshot if it is JSON.
    #[must_use]
    pub fn as_json(&self) -> Option<&Bytes> {
        (&*self.content_type == JSON).then_some(&self.bytes)
    }

    /// Returns what subscribers see of the state of an object that exists or existed, if its type publishes states.
    #[must_use]
    pub fn shown(state: Option<&Self>, is_published: bool) -> ShownState {
        match state {
            None => ShownState::Deleted,
            Some(state) => match state.as_json().filter(|_| is_published) {
                Some(json) => ShownState::Json(json.clone()),
                None => ShownState::Hidden,
            },
        }
    }
}

/// Media type of JSON states.
pub const JSON: &str = "application/json";

/// Idempotency cache entry: an answered call that had an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredCall {
    /// The caller's key: 1 to 128 visible ASCII characters.
    pub key: Arc<str>,
    /// First 8 bytes of the SHA-256 of handler and argument. The same key with a different call is rejected.
    pub fingerprint: [u8; 8],
    /// Version that the call created.
    pub version: Version,
    /// Epoch of that version.
    pub epoch: Epoch,
    /// Number of the revision whose code replied.
    pub revision: u32,
    /// Time of the call in the object's own time ([`Record::time_ms`]).
    pub time_ms: u64,
    /// The reply, while it is retained.
    pub reply: Option<Bytes>,
}

/// Everything that the store holds for one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The object.
    pub id: ObjectId,
    /// The newest committed version.
    pub version: Version,
    /// Epoch of the owner that wrote the record.
    pub epoch: Epoch,
    /// Node that wrote the record.
    pub owner: NodeId,
    /// The newest writes; the last one wrote this record.
    pub recent: RecentWrites,
    /// Number of the revision whose code produced the state.
    pub revision: u32,
    /// Digest of that revision's component.
    pub component: Digest,
    /// The object's own time in milliseconds. It advances only while the object is active, by the boot-time clock,
    /// so that no wall clock can shorten the lifetime of idempotency cache entries.
    pub time_ms: u64,
    /// Answered calls with idempotency keys, oldest first. Shared, because most commits change none of them.
    pub answered: Arc<[AnsweredCall]>,
    /// Number of consecutive calls in which the object's code trapped or exceeded its limits.
    pub faults: u32,
    /// Durable effects: messages and alarms. Shared, because most commits change none of them. `None` if the object
    /// never had any.
    pub effects: Option<Arc<DurableEffects>>,
    /// The state; `None` if the object is deleted.
    pub state: Option<State>,
}
