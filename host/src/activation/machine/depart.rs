//! Calls that leave the object while one of its own runs, and circles of waiting.
//!
//! Nothing leaves before what it depends on is committed: the call that runs asks, and is answered like a query that
//! saw the newest state (S5). While it waits for another object, this one is held, and chains that hold what the others
//! wait for would wait for ever. In every such circle somebody waits for an older chain than the own: where a younger
//! one waits for this object, it is looked now and then whom the object waits for, whom that one waits for, and so on.
//! If that leads to an object that the younger chain holds itself, the younger chain is refused. Nobody else is.

use std::time::Duration;

use bytes::Bytes;

use super::Machine;
use crate::activation::protocol::{Action, Now};
use crate::activation::{Call, Consistency, refuse};
use crate::clock::BootTime;
use crate::error::Code;
use crate::id::ObjectId;
use crate::limits::{LOOK_AFTER, LOOK_PAUSE_MAX};
use crate::origin::Origin;
use crate::origin::chain::Age;

/// Whether a running call waits for another object, and how old its chain is.
#[derive(Debug, Default)]
pub(super) struct Away {
    /// The age of the chain that it is in, or has begun.
    age: Option<Age>,
    /// How often it has called another object.
    departures: u32,
    wait: Option<Wait>,
}

#[derive(Debug)]
struct Wait {
    callee: ObjectId,
    /// When it is looked next whether somebody waits in a circle.
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

impl<T> Machine<T> {
    /// The call that runs is about to call another object.
    pub(super) fn departing(
        &mut self,
        age: Age,
        callee: ObjectId,
        caller: T,
        now: Now<'_>,
        actions: &mut Vec<Action<T>>,
    ) {
        let Some(away) = self.away_mut() else {
            let text = format!("{} has no call that could call others", self.id);
            return actions.push(Action::Answer(caller, refuse(Code::CommitRefused, text)));
        };
        let _ = away.age.get_or_insert(age);
        away.departures += 1;
        away.wait = Some(Wait { callee, look_at: now.time + LOOK_AFTER, pause: LOOK_AFTER });
        let Some(live) = &mut self.live else { return };
        let Some(running) = &live.running else { return };
        let (deadline, version) = (running.deadline, live.head.version);
        let answer = Ok(live.done(Bytes::new(), version));
        let seen = live.seen(caller, version, answer, deadline, Consistency::Lease);
        live.hold(seen, now, actions);
    }

    /// The call that runs goes on.
    pub(super) fn returned(&mut self) {
        if let Some(away) = self.away_mut() {
            away.wait = None;
        }
    }

    /// The object that the running call waits for.
    pub(super) fn waits_for(&self) -> Option<&ObjectId> {
        Some(&self.away()?.wait.as_ref()?.callee)
    }

    /// When it is to be looked for a circle: a while after somebody has begun to wait who could be in one.
    pub(in crate::activation) fn next_look(&self) -> Option<BootTime> {
        let away = self.away()?;
        let (wait, age) = (away.wait.as_ref()?, away.age?);
        let arrived = self.mailbox.first_arrival(|call| is_younger(call, age))?;
        Some(wait.look_at.max(arrived + LOOK_AFTER))
    }

    pub(super) fn look(&mut self, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        if self.next_look().is_none_or(|due| now.time < due) {
            return;
        }
        let Some(away) = self.away_mut() else { return };
        let Some(wait) = &mut away.wait else { return };
        actions.push(Action::Follow(away.departures, wait.callee.clone()));
        wait.pause = (wait.pause * 2).min(LOOK_PAUSE_MAX);
        wait.look_at = now.time + wait.pause;
    }

    /// Refuses those younger calls whose own chains are waited for. What was found for another departure of the running
    /// call, or another call, is out of date.
    pub(super) fn followed(
        &mut self,
        departure: u32,
        path: &[ObjectId],
        actions: &mut Vec<Action<T>>,
    ) {
        let Some(away) = self.away() else { return };
        let is_present = away.departures == departure && self.waits_for() == path.first();
        let Some(age) = away.age.filter(|_| is_present) else { return };
        let is_in_circle = |call: &Call| is_younger(call, age) && met(call, path).is_some();
        for queued in self.mailbox.take_all(is_in_circle) {
            let text =
                self.circle(path.get(..=met(&queued.call, path).unwrap_or(0)).unwrap_or(path));
            actions.push(Action::Answer(queued.caller, refuse(Code::CallConflict, text)));
        }
    }

    /// What is said to a call that waits for this object, and holds the last one of `path`.
    fn circle(&self, path: &[ObjectId]) -> String {
        let path: String = path.iter().map(|object| format!("{object} -> ")).collect();
        let id = &self.id;
        format!(
            "{id} was not called, because it waits for its caller, in an older chain of calls: {id} -> {path}{id}"
        )
    }

    fn away(&self) -> Option<&Away> {
        Some(&self.live.as_ref()?.running.as_ref()?.away)
    }

    fn away_mut(&mut self) -> Option<&mut Away> {
        Some(&mut self.live.as_mut()?.running.as_mut()?.away)
    }
}

fn is_younger(call: &Call, age: Age) -> bool {
    call.origin.chain.as_ref().is_some_and(|chain| age < chain.age())
}

/// Where on `path` the first object is that the chain of this call holds.
fn met(call: &Call, path: &[ObjectId]) -> Option<usize> {
    let held = call.origin.chain.as_ref()?.objects();
    path.iter().position(|object| held.contains(object))
}
