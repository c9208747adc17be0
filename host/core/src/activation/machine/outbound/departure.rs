//! Departure and return of an outbound call.
//!
//! Nothing leaves before the state it depends on is committed: the running call requests its departure and is
//! answered like a query of the newest state (S5). While it waits for another object, this object is held.

use super::{Outbound, Wait};
use crate::activation::Consistency;
use crate::activation::machine::activation::Activation;
use crate::activation::machine::replies::ReplyTo;
use crate::activation::machine::step::Step;
use crate::activation::reply::Reply;
use crate::call_context::chain::ChainAge;
use crate::error::ErrorCode;
use crate::id::ObjectId;

impl<T> Activation<T> {
    /// Processes the request of the running call to call another object.
    pub(in crate::activation::machine) fn outbound_started(
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
        let answer = Ok(live.done(Reply::Nothing, version));
        let to = ReplyTo { caller, consistency: Consistency::Lease, deadline };
        live.reply_read(to, version, answer, step);
    }

    /// Records that the outbound call has returned.
    pub(in crate::activation::machine) fn outbound_finished(&mut self) {
        if let Some(outbound) = self.outbound_mut() {
            outbound.wait = None;
        }
    }

    /// Returns the object that the running call waits for.
    pub(in crate::activation::machine) fn waits_for(&self) -> Option<&ObjectId> {
        self.outbound()?.waits_for()
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
