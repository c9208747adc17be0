//! Brings events to an object from outside, and begins its task where there is none.
//!
//! Whoever brings an event steps the machine and leaves the actions in the cell. A task that acts for the object
//! already finds them there; else one is begun, which ends as soon as there is nothing left to do.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::cell::{Caller, Cell, Core};
use super::protocol::Event;
use super::surroundings::Surroundings;
use super::task::drive;
use super::{Call, Reason};
use crate::clock::BootTime;
use crate::id::CodeId;
use crate::limits::LOBBY_WAIT;

/// Brings a call to the object; the answer comes through `caller`.
///
/// Gives both back where the entry is no longer in the table: look there again.
///
/// # Cancel safety
/// Once polled, the call runs to its end whether anybody waits for the answer or not.
pub async fn offer(
    cell: &Arc<Cell>,
    call: Call,
    caller: Caller,
    around: &Arc<Surroundings>,
) -> Option<(Call, Caller)> {
    let must_begin = {
        let mut core = cell.lock();
        if core.is_gone {
            return Some((call, caller));
        }
        let deadline = call.deadline;
        let now = around.now(cell.id());
        around.metrics.mailbox_length.observe(core.machine.mailbox_len() as f64);
        core.last_used = now.time;
        core.step(Event::Call(call, caller), now);
        let is_in_lobby = core.machine.mailbox_len() > around.settings.mailbox_len;
        let room = is_in_lobby.then(|| now.time + LOBBY_WAIT);
        let expiry = room.into_iter().chain(core.machine.next_look()).fold(deadline, Ord::min);
        rouse(cell, &mut core, expiry)
    };
    if must_begin {
        begin(cell, around).await;
    }
    None
}

/// Asks the activation to end for this reason, after what is under way. Nothing happens where none is live.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn deactivate(cell: &Arc<Cell>, reason: Reason, around: &Arc<Surroundings>) {
    tell(cell, Event::Deactivate(reason), around);
}

/// Lets the object go on with what waits for the lease to hold again.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn wake(cell: &Arc<Cell>, around: &Arc<Surroundings>) {
    tell(cell, Event::Wake, around);
}

/// Has the object change over to this revision at its next call. Nothing happens where none is live.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn want(cell: &Arc<Cell>, code: CodeId, around: &Arc<Surroundings>) {
    tell(cell, Event::Wanted(code), around);
}

/// Has the object try the revision that is wanted for it, if it has nothing else to do.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn probe(cell: &Arc<Cell>, around: &Arc<Surroundings>) {
    tell(cell, Event::Probe, around);
}

/// Brings an event to the object, and begins its task if that is needed.
///
/// # Panics
/// Outside of a tokio runtime.
pub(super) fn tell(cell: &Arc<Cell>, event: Event<Caller>, around: &Arc<Surroundings>) {
    let mut core = cell.lock();
    core.step(event, around.now(cell.id()));
    if rouse(cell, &mut core, BootTime::FOREVER) {
        drop(core);
        tokio::spawn(drive(Arc::clone(cell), Arc::clone(around)));
    }
}

/// Rings for the task if it has to look, or has to wake at `expiry`; says whether one must be begun.
fn rouse(cell: &Cell, core: &mut Core, expiry: BootTime) -> bool {
    let has_actions = !core.actions.is_empty();
    if core.is_driven {
        if has_actions || expiry < core.wake_at {
            cell.bell.notify_one();
        }
        return false;
    }
    core.is_driven = has_actions;
    has_actions
}

/// Begins the object's task. Its first stretch runs here and now: most calls to a resident object are over at its end,
/// and cost no change of tasks.
async fn begin(cell: &Arc<Cell>, around: &Arc<Surroundings>) {
    let mut task = Box::pin(drive(Arc::clone(cell), Arc::clone(around)));
    let first = |cx: &mut std::task::Context<'_>| Poll::Ready(Pin::new(&mut task).poll(cx));
    if std::future::poll_fn(first).await.is_pending() {
        tokio::spawn(task);
    }
}
