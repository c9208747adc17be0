//! State of a live activation: the newest state, the state in the store, and the work in progress between the two.

use std::sync::Arc;

use super::{outbound, outbox, read_barrier, upgrade};
use crate::activation::protocol::Now;
use crate::activation::{Answer, Consistency, IdempotencyKey};
use crate::clock::BootTime;
use crate::store::record::effects::DurableEffects;
use crate::store::record::{Epoch, RecentWrites, Record, State, Version, Write};
use crate::store::{Condition, ETag};

/// Newest state, committed or not.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) version: Version,
    pub(super) state: Option<State>,
    pub(super) effects: Option<Arc<DurableEffects>>,
}

/// Committed state, as far as this activation has observed it.
#[derive(Debug, Clone)]
pub(super) struct Committed {
    pub(super) version: Version,
    pub(super) epoch: Epoch,
    pub(super) etag: Option<ETag>,
    pub(super) recent: RecentWrites,
    /// Consecutive failures stored in the record.
    pub(super) faults: u32,
    pub(super) effects: Option<Arc<DurableEffects>>,
    /// Object's active time when it was loaded, and the clock time of the load.
    pub(super) time_ms: u64,
    pub(super) loaded_at: BootTime,
}

/// Running call.
#[derive(Debug)]
pub(super) struct RunningCall<T> {
    pub(super) caller: T,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) consistency: Consistency,
    pub(super) deadline: BootTime,
    /// Whether the state it runs on was never committed.
    pub(super) is_stale: bool,
    pub(super) attempt: upgrade::Attempt,
    /// Bookkeeping to record if the call changes the object.
    pub(super) meta: outbox::CallMeta,
    /// Whether the call waits for another object, and the age of its chain once it has called one.
    pub(super) outbound: outbound::Away,
}

/// Call that has run, and whose answer waits until `version` is committed.
#[derive(Debug)]
pub(super) struct PendingReply<T> {
    pub(super) caller: T,
    pub(super) version: Version,
    /// Whether the answer reports a change: by this call, or by an earlier call with the same key.
    pub(super) is_change: bool,
    /// Ticket of the read barrier that the answer also needs; 0 for none.
    pub(super) proof: read_barrier::Ticket,
    pub(super) answer: Answer,
    pub(super) deadline: BootTime,
}

/// Pause before the next write, in which the callers that were just answered may call again. Without it they would
/// miss that write and wait for two.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchWindow {
    pub(super) until: BootTime,
    /// Number of waiting answers at which all callers that were answered have called again.
    pub(super) expected: usize,
}

/// Write in progress.
#[derive(Debug)]
pub(super) struct InFlightWrite {
    pub(super) began: BootTime,
    pub(super) write: Write,
    pub(super) epoch: Epoch,
    pub(super) condition: Condition,
    pub(super) recent: RecentWrites,
    pub(super) faults: u32,
    pub(super) effects: Option<Arc<DurableEffects>>,
    pub(super) attempts: u32,
    /// Newest ticket that the success of this write proves: answers up to it were requested before the write started.
    pub(super) proves: read_barrier::Ticket,
}

/// Returns the committed state contained in a record.
pub(super) fn committed_state(found: Option<&(Record, ETag)>, now: Now<'_>) -> Committed {
    let record = found.map(|(record, _)| record);
    Committed {
        version: record.map_or(0, |record| record.version),
        epoch: record.map_or(0, |record| record.epoch),
        etag: found.map(|(_, etag)| etag.clone()),
        recent: record.map(|record| record.recent.clone()).unwrap_or_default(),
        faults: record.map_or(0, |record| record.faults),
        effects: record.and_then(|record| record.effects.clone()),
        time_ms: record.map_or(0, |record| record.time_ms),
        loaded_at: now.time,
    }
}
