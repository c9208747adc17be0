//! Outbound calls of the running call.
//!
//! Invariant: only this module and those below it change what the running call waits for.

mod deadlock;
mod departure;

use std::time::Duration;

use crate::call_context::Origin;
use crate::call_context::chain::ChainAge;
use crate::clock::BootTime;
use crate::id::ObjectId;
use crate::limits::{LOOK_AFTER, LOOK_PAUSE_MAX};

/// Outbound state of a running call.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    /// Age of the chain that it belongs to or has started.
    age: Option<ChainAge>,
    /// Number of outbound calls so far.
    departures: u32,
    wait: Option<Wait>,
}

/// Call to another object that the running call waits for.
#[derive(Debug)]
struct Wait {
    callee: ObjectId,
    /// Time of the next deadlock check.
    look_at: BootTime,
    pause: Duration,
}

impl Outbound {
    pub(super) fn of(origin: &Origin) -> Self {
        let age = origin.chain.as_ref().map(|chain| chain.age());
        Self { age, ..Self::default() }
    }

    /// Whether it has called another object.
    pub(super) fn has_departed(&self) -> bool {
        self.departures > 0
    }

    /// Returns the object that it waits for.
    pub(super) fn waits_for(&self) -> Option<&ObjectId> {
        self.wait.as_ref().map(|wait| &wait.callee)
    }

    fn depart(&mut self, age: ChainAge, wait: Wait) {
        let _ = self.age.get_or_insert(age);
        self.departures += 1;
        self.wait = Some(wait);
    }
}

impl Wait {
    fn new(callee: ObjectId, time: BootTime) -> Self {
        Self { callee, look_at: time + LOOK_AFTER, pause: LOOK_AFTER }
    }

    /// Plans the next check, later each time.
    fn checked(&mut self, time: BootTime) {
        self.pause = (self.pause * 2).min(LOOK_PAUSE_MAX);
        self.look_at = time + self.pause;
    }
}
