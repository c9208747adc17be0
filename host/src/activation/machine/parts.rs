//! What a live activation knows: the newest state, what the store holds, and what is under way between the two.
//! Plain data; what becomes of it is decided beside.

use std::sync::Arc;

use super::{dealing, depart, proof, swap};
use crate::activation::protocol::Now;
use crate::activation::{Answer, Consistency, IdempotencyKey};
use crate::clock::BootTime;
use crate::store::record::dealings::Dealings;
use crate::store::record::{Epoch, RecentWrites, Record, State, Version, Write};
use crate::store::{Condition, ETag};

/// The newest state, committed or not.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) version: Version,
    pub(super) state: Option<State>,
    pub(super) dealings: Option<Arc<Dealings>>,
}

/// What the store holds, as far as it is known here.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) version: Version,
    pub(super) epoch: Epoch,
    pub(super) etag: Option<ETag>,
    pub(super) recent: RecentWrites,
    /// Failures in a row, as the record says.
    pub(super) faults: u32,
    pub(super) dealings: Option<Arc<Dealings>>,
    /// The object's own time when it was loaded, and when that was.
    pub(super) time_ms: u64,
    pub(super) loaded_at: BootTime,
}

/// The call that is running.
#[derive(Debug)]
pub(super) struct Running<T> {
    pub(super) caller: T,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) consistency: Consistency,
    pub(super) deadline: BootTime,
    /// Whether the state it runs on turned out to be one that never was.
    pub(super) is_stale: bool,
    pub(super) attempt: swap::Attempt,
    /// What is to be noted of it if it changes the object.
    pub(super) notes: dealing::Notes,
    /// Whether it waits for another object, and how old its chain is, once it has called one.
    pub(super) away: depart::Away,
}

/// A call that has run, and whose answer waits until `version` is committed.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    pub(super) caller: T,
    pub(super) version: Version,
    /// Whether it tells of a change: of its call's own, or of the one that an earlier call with its key made.
    pub(super) is_change: bool,
    /// Which proof it waits for as well; 0 for none.
    pub(super) proof: proof::Ticket,
    pub(super) answer: Answer,
    pub(super) deadline: BootTime,
}

/// A pause before the next write, in which the callers that were just answered may call again: without it they would
/// miss that write and wait for two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gather {
    pub(super) until: BootTime,
    /// With this many answers waiting, everybody who was answered is back.
    pub(super) expected: usize,
}

/// The write that is under way.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) began: BootTime,
    pub(super) write: Write,
    pub(super) epoch: Epoch,
    pub(super) condition: Condition,
    pub(super) recent: RecentWrites,
    pub(super) faults: u32,
    pub(super) dealings: Option<Arc<Dealings>>,
    pub(super) attempts: u32,
    /// Answers up to this ticket are proven when it is applied: they were asked for before it began.
    pub(super) proves: proof::Ticket,
}

/// What a record that was found says of the store.
pub(super) fn base(found: Option<&(Record, ETag)>, now: Now<'_>) -> Base {
    let record = found.map(|(record, _)| record);
    Base {
        version: record.map_or(0, |record| record.version),
        epoch: record.map_or(0, |record| record.epoch),
        etag: found.map(|(_, etag)| etag.clone()),
        recent: record.map(|record| record.recent.clone()).unwrap_or_default(),
        faults: record.map_or(0, |record| record.faults),
        dealings: record.and_then(|record| record.dealings.clone()),
        time_ms: record.map_or(0, |record| record.time_ms),
        loaded_at: now.time,
    }
}
