//! Deadlock detection by edge chasing.
//!
//! While the running call waits for another object, this object is held, so several chains could wait for each other
//! forever. In every such cycle, some call waits for a chain older than its own. So if a younger chain waits for this
//! object, the machine checks the wait-for edges from time to time: from the object that the running call waits for
//! to the next one, and so on.
//!
//! Invariant: if the path reaches an object that the younger chain holds, the younger call is rejected, and no other.

use crate::activation::Call;
use crate::activation::machine::activation::Activation;
use crate::activation::machine::step::Step;
use crate::activation::protocol::Action;
use crate::call_context::chain::ChainAge;
use crate::clock::BootTime;
use crate::error::ErrorCode;
use crate::id::ObjectId;
use crate::limits::LOOK_AFTER;

impl<T> Activation<T> {
    /// Returns when the next deadlock check is due: some time after a younger chain started to wait.
    pub(in crate::activation::machine) fn next_wait_probe(&self) -> Option<BootTime> {
        let outbound = self.outbound()?;
        let (wait, age) = (outbound.wait.as_ref()?, outbound.age?);
        let arrived = self.mailbox.first_arrival(|call| is_younger(call, age))?;
        Some(wait.look_at.max(arrived + LOOK_AFTER))
    }

    /// Checks the wait-for edges, if a check is due.
    pub(in crate::activation::machine) fn probe_wait_path(&mut self, step: &mut Step<'_, T>) {
        let time = step.now().time;
        if self.next_wait_probe().is_none_or(|due| time < due) {
            return;
        }
        let Some(outbound) = self.outbound_mut() else { return };
        let Some(wait) = &mut outbound.wait else { return };
        step.push(Action::FindWaitPath(outbound.departures, wait.callee.clone()));
        wait.checked(time);
    }

    /// Rejects the younger calls that are part of a cycle. A path found for another departure, or for another call,
    /// is ignored as outdated.
    pub(in crate::activation::machine) fn wait_path_found(
        &mut self,
        departure: u32,
        path: &[ObjectId],
        step: &mut Step<'_, T>,
    ) {
        let Some(outbound) = self.outbound() else { return };
        let is_present = outbound.departures == departure && outbound.waits_for() == path.first();
        let Some(age) = outbound.age.filter(|_| is_present) else { return };
        let is_in_circle = |call: &Call| is_younger(call, age) && met(call, path).is_some();
        for queued in self.mailbox.take_all(is_in_circle) {
            let path = path.get(..=met(&queued.call, path).unwrap_or(0)).unwrap_or(path);
            step.refuse(queued.caller, ErrorCode::CallConflict, circle(step.id(), path));
        }
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
