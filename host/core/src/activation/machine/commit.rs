//! Commits of one object: the record that this owner read or committed last, and the write in progress.
//!
//! Invariants: at most one write is in progress. The committed record changes only when a write succeeds, or when
//! another record is found in the store. Only this module and those below it can change either.

mod outcome;
pub(super) mod resolution;
mod write;

use std::sync::Arc;
use std::time::Duration;

use crate::activation::protocol::Now;
use crate::backoff::backoff;
use crate::clock::BootTime;
use crate::limits::{GATHER_DIVISOR, GATHER_FROM, GATHER_MAX, RETRY_PAUSE_MAX, RETRY_PAUSE_MIN};
use crate::store::record::effects::DurableEffects;
use crate::store::record::{Epoch, RecentWrites, Record, Version, Write};
use crate::store::{Condition, ETag};

use super::read_barrier::Ticket;

/// Committed record, and the write in progress.
#[derive(Debug)]
pub(super) struct Commit {
    committed: Committed,
    /// Epoch of this owner's commits: one above the epoch of the record that it loaded.
    epoch: Epoch,
    in_flight: Option<InFlightWrite>,
    batch_window: Option<BatchWindow>,
}

/// Committed record, as far as this activation needs it.
#[derive(Debug)]
struct Committed {
    version: Version,
    epoch: Epoch,
    etag: Option<ETag>,
    recent: RecentWrites,
    /// Consecutive failures stored in the record.
    faults: u32,
    effects: Option<Arc<DurableEffects>>,
    /// Object's active time when it was loaded, and the clock time of the load.
    time_ms: u64,
    loaded_at: BootTime,
}

/// Write in progress.
#[derive(Debug)]
struct InFlightWrite {
    began: BootTime,
    write: Write,
    epoch: Epoch,
    condition: Condition,
    recent: RecentWrites,
    faults: u32,
    effects: Option<Arc<DurableEffects>>,
    attempts: u32,
    /// Newest ticket that the success of this write proves: answers up to it were requested before the write started.
    proves: Ticket,
}

/// Pause before the next write, in which the callers that were just answered may call again. Without it they would
/// miss that write and wait for two.
#[derive(Debug, Clone, Copy)]
struct BatchWindow {
    until: BootTime,
    /// Number of waiting answers at which all callers that were answered have called again.
    expected: usize,
}

impl Commit {
    /// Returns the commits of an owner that has found this record, or none.
    pub(super) fn loaded(found: Option<&(Record, ETag)>, now: Now<'_>) -> Self {
        let committed = Committed::of(found, now);
        let epoch = committed.epoch + 1;
        Self { committed, epoch, in_flight: None, batch_window: None }
    }

    /// Continues from the record that was found.
    fn reload(&mut self, found: Option<&(Record, ETag)>, now: Now<'_>) {
        self.committed = Committed::of(found, now);
        self.epoch = self.epoch.max(self.committed.epoch + 1);
    }

    /// Returns the committed version.
    pub(super) fn version(&self) -> Version {
        self.committed.version
    }

    /// Returns the epoch of the committed version, or of a newer version that this owner will commit.
    pub(super) fn epoch_of(&self, version: Version) -> Epoch {
        if version > self.committed.version { self.epoch } else { self.committed.epoch }
    }

    /// Whether this is the ETag of the committed record.
    pub(super) fn is_at(&self, etag: Option<&ETag>) -> bool {
        self.committed.etag.as_ref() == etag
    }

    /// Returns the committed effects.
    pub(super) fn effects(&self) -> Option<&Arc<DurableEffects>> {
        self.committed.effects.as_ref()
    }

    /// Returns the effects that the write in progress commits.
    pub(super) fn effects_in_flight(&self) -> Option<&Arc<DurableEffects>> {
        self.in_flight.as_ref()?.effects.as_ref()
    }

    /// Returns the larger failure count of the committed record and the write in progress.
    pub(super) fn faults(&self) -> u32 {
        let in_flight = self.in_flight.as_ref().map_or(0, |writing| writing.faults);
        self.committed.faults.max(in_flight)
    }

    /// Returns the write in progress.
    pub(super) fn in_flight(&self) -> Option<Write> {
        self.in_flight.as_ref().map(|writing| writing.write)
    }

    /// Whether the store may still apply a write of this owner.
    pub(super) fn is_writing(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Returns the newest version that is committed or being written.
    pub(super) fn sent_version(&self) -> Version {
        self.in_flight().map_or(self.committed.version, |write| write.version)
    }

    /// Returns the object's active time.
    pub(super) fn time_ms(&self, now: Now<'_>) -> u64 {
        let passed_ms = now.time.since(self.committed.loaded_at).as_millis() as u64;
        self.committed.time_ms.saturating_add(passed_ms)
    }

    /// Returns when the next write starts at the latest, if it waits for more calls.
    pub(super) fn batch_until(&self) -> Option<BootTime> {
        self.batch_window.map(|window| window.until)
    }

    /// Ends the wait for more calls once its time has passed.
    pub(super) fn expire_batch(&mut self, time: BootTime) {
        self.batch_window = self.batch_window.filter(|window| time < window.until);
    }

    /// Lets the next write wait for the callers just answered, if this write took long.
    fn open_batch(&mut self, began: BootTime, expected: usize, time: BootTime) {
        let took = time.since(began);
        let pause = (took / GATHER_DIVISOR).min(GATHER_MAX);
        self.batch_window =
            (took >= GATHER_FROM).then_some(BatchWindow { until: time + pause, expected });
    }
}

impl Committed {
    fn of(found: Option<&(Record, ETag)>, now: Now<'_>) -> Self {
        let record = found.map(|(record, _)| record);
        Self {
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
}

impl InFlightWrite {
    /// Returns the pause before the next attempt: exponential backoff, to which the task adds jitter.
    fn next_pause(&mut self) -> Duration {
        let doublings = self.attempts.saturating_sub(1);
        self.attempts = self.attempts.saturating_add(1);
        backoff(RETRY_PAUSE_MIN, doublings, RETRY_PAUSE_MAX)
    }
}
