//! Calls that leave the object while one of its own runs, and who may wait for whom.
//!
//! Nothing leaves before what it depends on is committed: the call that runs asks, and is answered like a query that
//! saw the newest state (S5). While it waits for another object, this one is held. Of two chains that hold what the
//! other waits for, the younger is refused: an object that waits for another one is waited for by older chains alone,
//! so that no circle of waiting can close, in whatever order calls arrive, and on whatever nodes.

use bytes::Bytes;

use super::Machine;
use crate::activation::protocol::{Action, Now};
use crate::activation::{Call, Consistency, refuse};
use crate::error::Code;
use crate::id::ObjectId;
use crate::origin::Origin;
use crate::origin::chain::Age;

/// Whether a running call waits for another object, and how old its chain is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Away {
    /// The age of the chain that it is in, or has begun.
    age: Option<Age>,
    has_departed: bool,
    is_waiting: bool,
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

    /// Whether a chain of this age would wait for one that is older, and waits itself.
    fn is_before(self, age: Age) -> bool {
        self.is_waiting && self.age.is_some_and(|own| own < age)
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
        let away = &mut running.away;
        *away = Away { age: Some(away.age.unwrap_or(age)), has_departed: true, is_waiting: true };
        let (away, deadline) = (*away, running.deadline);
        let is_younger = |call: &Call| chain_age(call).is_some_and(|age| away.is_before(age));
        for waiting in self.mailbox.take_all(is_younger) {
            let answer = refuse(Code::CallConflict, conflict(&self.id));
            actions.push(Action::Answer(waiting, answer));
        }
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
            running.away.is_waiting = false;
        }
    }

    /// Why a call may not wait for the one that runs, if it may not.
    pub(super) fn conflict_with(&self, call: &Call) -> Option<String> {
        let age = chain_age(call)?;
        let running = self.live.as_ref()?.running.as_ref()?;
        running.away.is_before(age).then(|| conflict(&self.id))
    }
}

fn chain_age(call: &Call) -> Option<Age> {
    call.origin.chain.as_ref().map(|chain| chain.age())
}

fn conflict(id: &ObjectId) -> String {
    format!(
        "{id} was not called: it waits for another object in an older chain of calls, and waiting for it could last \
         for ever"
    )
}
