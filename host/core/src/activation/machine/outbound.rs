//! Outbound calls of the running call.
//!
//! Nothing leaves before the state it depends on is committed: the running call requests its departure and is
//! answered like a query of the newest state (S5). While it waits for another object, this object is held.

use bytes::Bytes;

use super::Activation;
use super::deadlock::Wait;
use super::replies::ReplyTo;
use super::step::Step;
use crate::activation::Consistency;
use crate::call_context::Origin;
use crate::call_context::chain::ChainAge;
use crate::error::ErrorCode;
use crate::id::ObjectId;

/// Outbound state of a running call.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    /// Age of the chain that it belongs to or has started.
    age: Option<ChainAge>,
    /// Number of outbound calls so far.
    departures: u32,
    wait: Option<Wait>,
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

    /// Returns the number of the newest departure.
    pub(super) fn departure(&self) -> u32 {
        self.departures
    }

    pub(super) fn age(&self) -> Option<ChainAge> {
        self.age
    }

    /// Returns the call that it waits for.
    pub(super) fn wait(&self) -> Option<&Wait> {
        self.wait.as_ref()
    }

    pub(super) fn wait_mut(&mut self) -> Option<&mut Wait> {
        self.wait.as_mut()
    }

    fn depart(&mut self, age: ChainAge, wait: Wait) {
        let _ = self.age.get_or_insert(age);
        self.departures += 1;
        self.wait = Some(wait);
    }
}

impl<T> Activation<T> {
    /// Processes the request of the running call to call another object.
    pub(super) fn outbound_started(
        &mut self,
        age: ChainAge,
        callee: ObjectId,
        caller: T,
        step: &mut Step<'_, T>,
    ) {
        let Some(live) = &mut self.live else { return no_running_call(caller, step) };
        let Some(running) = live.execution.running_mut() else {
            return no_running_call(caller, step);
        };
        running.outbound.depart(age, Wait::new(callee, step.now().time));
        let deadline = running.reply_to.deadline;
        let version = live.current.version();
        let answer = Ok(live.done(Bytes::new(), version));
        let to = ReplyTo { caller, consistency: Consistency::Lease, deadline };
        live.reply_read(to, version, answer, step);
    }

    /// Records that the outbound call has returned.
    pub(super) fn outbound_finished(&mut self) {
        if let Some(outbound) = self.outbound_mut() {
            outbound.wait = None;
        }
    }

    /// Returns the object that the running call waits for.
    pub(super) fn waits_for(&self) -> Option<&ObjectId> {
        Some(self.outbound()?.wait()?.callee())
    }

    pub(super) fn outbound(&self) -> Option<&Outbound> {
        Some(&self.live.as_ref()?.execution.running()?.outbound)
    }

    pub(super) fn outbound_mut(&mut self) -> Option<&mut Outbound> {
        Some(&mut self.live.as_mut()?.execution.running_mut()?.outbound)
    }
}

fn no_running_call<T>(caller: T, step: &mut Step<'_, T>) {
    let text = format!("{} has no running call that could call other objects", step.id());
    step.refuse(caller, ErrorCode::CommitRefused, text);
}
