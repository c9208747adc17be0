//! Outbound calls of the running call, and deadlock detection by edge chasing.
//!
//! Nothing leaves before the state it depends on is committed: the running call requests its departure and is
//! answered like a query of the newest state (S5). While it waits for another object, this object is held, so several
//! chains could wait for each other forever.
//!
//! In every such cycle, some call waits for a chain older than its own. So if a younger chain waits for this object,
//! the machine checks the wait-for edges from time to time: from the object that the running call waits for to the
//! next one, and so on. If the path reaches an object that the younger chain holds, the younger call is rejected. No
//! other call is rejected.

use std::time::Duration;

use bytes::Bytes;

use super::Activation;
use super::step::Step;
use crate::activation::protocol::Action;
use crate::activation::{Call, Consistency};
use crate::call_context::Origin;
use crate::call_context::chain::ChainAge;
use crate::clock::BootTime;
use crate::error::ErrorCode;
use crate::id::ObjectId;
use crate::limits::{LOOK_AFTER, LOOK_PAUSE_MAX};

/// Outbound state of a running call.
#[derive(Debug, Default)]
pub(super) struct Away {
    /// Age of the chain that it belongs to or has started.
    age: Option<ChainAge>,
    /// Number of outbound calls so far.
    departures: u32,
    wait: Option<Wait>,
}

#[derive(Debug)]
struct Wait {
    callee: ObjectId,
    /// Time of the next deadlock check.
    look_at: BootTime,
    pause: Duration,
}

impl Away {
    pub(super) fn of(origin: &Origin) -> Self {
        let age = origin.chain.as_ref().map(|chain| chain.age());
        Self { age, ..Self::default() }
    }

    /// Whether it has called another object.
    pub(super) fn has_departed(&self) -> bool {
        self.departures > 0
    }
}

impl<T> Activation<T> {
    /// Processes the request of the running call to call another object.
    pub(super) fn departing(
        &mut self,
        age: ChainAge,
        callee: ObjectId,
        caller: T,
        step: &mut Step<'_, T>,
    ) {
        let Some(away) = self.away_mut() else {
            let text = format!("{} has no running call that could call other objects", step.id());
            return step.refuse(caller, ErrorCode::CommitRefused, text);
        };
        let _ = away.age.get_or_insert(age);
        away.departures += 1;
        away.wait = Some(Wait { callee, look_at: step.now().time + LOOK_AFTER, pause: LOOK_AFTER });
        let Some(live) = &mut self.live else { return };
        let Some(running) = &live.running else { return };
        let (deadline, version) = (running.deadline, live.current.version);
        let answer = Ok(live.done(Bytes::new(), version));
        let seen = live.read_reply(caller, version, answer, deadline, Consistency::Lease);
        live.queue_reply(seen, step);
    }

    /// Records that the outbound call has returned.
    pub(super) fn returned(&mut self) {
        if let Some(away) = self.away_mut() {
            away.wait = None;
        }
    }

    /// Returns the object that the running call waits for.
    pub(super) fn waits_for(&self) -> Option<&ObjectId> {
        Some(&self.away()?.wait.as_ref()?.callee)
    }

    /// Returns when the next deadlock check is due: some time after a younger chain started to wait.
    pub(super) fn next_wait_probe(&self) -> Option<BootTime> {
        let away = self.away()?;
        let (wait, age) = (away.wait.as_ref()?, away.age?);
        let arrived = self.mailbox.first_arrival(|call| is_younger(call, age))?;
        Some(wait.look_at.max(arrived + LOOK_AFTER))
    }

    pub(super) fn probe_wait_path(&mut self, step: &mut Step<'_, T>) {
        if self.next_wait_probe().is_none_or(|due| step.now().time < due) {
            return;
        }
        let Some(away) = self.away_mut() else { return };
        let Some(wait) = &mut away.wait else { return };
        step.push(Action::FindWaitPath(away.departures, wait.callee.clone()));
        wait.pause = (wait.pause * 2).min(LOOK_PAUSE_MAX);
        wait.look_at = step.now().time + wait.pause;
    }

    /// Rejects the younger calls that are part of a cycle. A path found for another departure, or for another call,
    /// is ignored as outdated.
    pub(super) fn followed(&mut self, departure: u32, path: &[ObjectId], step: &mut Step<'_, T>) {
        let Some(away) = self.away() else { return };
        let is_present = away.departures == departure && self.waits_for() == path.first();
        let Some(age) = away.age.filter(|_| is_present) else { return };
        let is_in_circle = |call: &Call| is_younger(call, age) && met(call, path).is_some();
        for queued in self.mailbox.take_all(is_in_circle) {
            let text = circle(
                step.id(),
                path.get(..=met(&queued.call, path).unwrap_or(0)).unwrap_or(path),
            );
            step.refuse(queued.caller, ErrorCode::CallConflict, text);
        }
    }

    fn away(&self) -> Option<&Away> {
        Some(&self.live.as_ref()?.running.as_ref()?.outbound)
    }

    fn away_mut(&mut self) -> Option<&mut Away> {
        Some(&mut self.live.as_mut()?.running.as_mut()?.outbound)
    }
}

/// Returns the error text for a call that waits for this object while its chain holds the last object of `path`.
fn circle(id: &ObjectId, path: &[ObjectId]) -> String {
    let path: String = path.iter().map(|object| format!("{object} -> ")).collect();
    format!(
        "{id} was not called: it waits for its caller, in an older chain of calls: {id} -> {path}{id}"
    )
}

fn is_younger(call: &Call, age: ChainAge) -> bool {
    call.origin.chain.as_ref().is_some_and(|chain| age < chain.age())
}

/// Returns the index on `path` of the first object that the chain of this call holds.
fn met(call: &Call, path: &[ObjectId]) -> Option<usize> {
    let held = call.origin.chain.as_ref()?.objects();
    path.iter().position(|object| held.contains(object))
}
