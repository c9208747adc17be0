//! Calls that leave the object while one of its own runs, and who may wait for whom.
//!
//! Nothing leaves before what it depends on is committed: the call that runs asks, and is answered like a query that
//! saw the newest state (S5). While it waits for another object, this one is held. Chains that hold what the others
//! wait for would wait for ever: an object that waits for another one is waited for by older chains as long as they
//! like, and by younger ones for [`CONFLICT_WAIT`]. In every circle somebody waits for an older chain, and leaves it;
//! and where there is none the object goes on in time, nearly always.

use bytes::Bytes;

use super::Machine;
use crate::activation::protocol::{Action, Now};
use crate::activation::{Call, Consistency, refuse};
use crate::clock::BootTime;
use crate::error::Code;
use crate::limits::CONFLICT_WAIT;
use crate::origin::Origin;
use crate::origin::chain::Age;

/// Whether a running call waits for another object, and how old its chain is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Away {
    /// The age of the chain that it is in, or has begun.
    age: Option<Age>,
    has_departed: bool,
    /// Since when it waits for the object that it has called, if it does.
    waits_since: Option<BootTime>,
}

impl Away {
    pub(super) fn of(origin: &Origin) -> Self {
        let age = origin.chain.as_ref().map(|chain| chain.age());
        Self { age, ..Self::default() }
    }

    /// Whether it has called another object.
    pub(super) fn has_departed(self) -> bool {
        self.has_departed
    }

    /// Since when this call waits, and how old the chain is that makes it wait.
    fn wait(self) -> Option<(BootTime, Age)> {
        self.waits_since.zip(self.age)
    }
}

impl<T> Machine<T> {
    /// The call that runs is about to call another object.
    pub(super) fn departing(
        &mut self,
        age: Age,
        caller: T,
        now: Now<'_>,
        actions: &mut Vec<Action<T>>,
    ) {
        let running = self.live.as_mut().and_then(|live| live.running.as_mut());
        let Some(running) = running else {
            let text = format!("{} has no call that could call others", self.id);
            return actions.push(Action::Answer(caller, refuse(Code::CommitRefused, text)));
        };
        let age = Some(running.away.age.unwrap_or(age));
        running.away = Away { age, has_departed: true, waits_since: Some(now.time) };
        let deadline = running.deadline;
        let Some(live) = &mut self.live else { return };
        let version = live.head.version;
        let answer = Ok(live.done(Bytes::new(), version));
        let seen = live.seen(caller, version, answer, deadline, Consistency::Lease);
        live.hold(seen, now, actions);
    }

    /// The call that runs goes on.
    pub(super) fn returned(&mut self) {
        let running = self.live.as_mut().and_then(|live| live.running.as_mut());
        if let Some(running) = running {
            running.away.waits_since = None;
        }
    }

    /// When the next call is refused because it waits for an older chain.
    pub(in crate::activation) fn next_conflict(&self) -> Option<BootTime> {
        let (since, age) = self.wait()?;
        let arrived = self.mailbox.first_arrival(is_younger_than(age))?;
        Some(arrived.max(since) + CONFLICT_WAIT)
    }

    /// Refuses the calls that have waited for an older chain for too long.
    pub(super) fn refuse_conflicts(&mut self, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        let Some((since, age)) = self.wait() else { return };
        let is_younger = is_younger_than(age);
        for caller in self.mailbox.take_waiting(is_younger, since, CONFLICT_WAIT, now.time) {
            let text = format!(
                "{} was not called: it waits for another object in an older chain of calls, and waiting for it could \
                 last for ever",
                self.id
            );
            actions.push(Action::Answer(caller, refuse(Code::CallConflict, text)));
        }
    }

    fn wait(&self) -> Option<(BootTime, Age)> {
        self.live.as_ref()?.running.as_ref()?.away.wait()
    }
}

fn is_younger_than(age: Age) -> impl Fn(&Call) -> bool + Copy {
    move |call| call.origin.chain.as_ref().is_some_and(|chain| age < chain.age())
}
