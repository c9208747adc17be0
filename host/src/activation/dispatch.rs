//! Delivers external events to an object and starts its task if none is running.
//!
//! The sender of an event steps the machine and leaves the resulting actions in the cell. A running task picks them
//! up there. Otherwise a new task starts, and it ends as soon as no work is left.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use highlander_core::activation::protocol::Input;
use highlander_core::activation::{Call, Reason};
use highlander_core::id::CodeId;
use highlander_core::limits::OVERFLOW_WAIT;

use crate::activation::context::SessionContext;
use crate::activation::driver::{run, send_event, wake_driver};
use crate::activation::slot::{ReplySender, Slot};

/// Submits a call to the object; the answer arrives through `caller`.
///
/// Returns both arguments if the entry is no longer in the table: the caller must look the object up again.
///
/// # Cancel safety
/// Once polled, the call runs to completion even if the caller no longer waits for the answer.
pub async fn submit(
    slot: &Arc<Slot>,
    call: Call,
    caller: ReplySender,
    ctx: &Arc<SessionContext>,
) -> Option<(Call, ReplySender)> {
    let must_begin = {
        let mut core = slot.lock();
        if core.is_removed {
            return Some((call, caller));
        }
        let deadline = call.deadline;
        let now = ctx.now(slot.id());
        ctx.metrics.mailbox_length.observe(core.machine.mailbox_len() as f64);
        core.last_used = now.time;
        core.step(Input::Call(call, caller), now);
        let is_in_overflow = core.machine.mailbox_len() > ctx.settings.mailbox_len;
        let room = is_in_overflow.then(|| now.time + OVERFLOW_WAIT);
        let expiry =
            room.into_iter().chain(core.machine.next_wait_probe()).fold(deadline, Ord::min);
        wake_driver(slot, &mut core, expiry)
    };
    if must_begin {
        start_inline(slot, ctx).await;
    }
    None
}

/// Requests the end of the activation for this reason, after the work in progress. Does nothing if no activation is
/// live.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn deactivate(slot: &Arc<Slot>, reason: Reason, ctx: &Arc<SessionContext>) {
    send_event(slot, Input::Deactivate(reason), ctx);
}

/// Lets the object continue with work that waited for the lease to be valid again.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn wake(slot: &Arc<Slot>, ctx: &Arc<SessionContext>) {
    send_event(slot, Input::Wake, ctx);
}

/// Requests that the object switch to this revision at its next call. Does nothing if no activation is live.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn want(slot: &Arc<Slot>, code: CodeId, ctx: &Arc<SessionContext>) {
    send_event(slot, Input::RevisionWanted(code), ctx);
}

/// Requests that the object probe its wanted revision if it is otherwise idle.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn probe(slot: &Arc<Slot>, ctx: &Arc<SessionContext>) {
    send_event(slot, Input::Probe, ctx);
}

/// Starts the object's task. The first poll runs inline in the caller's task: most calls to a resident object finish
/// in it and need no task switch.
async fn start_inline(slot: &Arc<Slot>, ctx: &Arc<SessionContext>) {
    let mut task = Box::pin(run(Arc::clone(slot), Arc::clone(ctx)));
    let first = |cx: &mut std::task::Context<'_>| Poll::Ready(Pin::new(&mut task).poll(cx));
    if std::future::poll_fn(first).await.is_pending() {
        tokio::spawn(task);
    }
}
