//! Idle reaper: unloads objects that have had no calls for the idle timeout.
//!
//! One task scans the table periodically, so objects need no timers.

use std::sync::{Arc, Weak};
use std::time::Duration;

use highlander_core::activation::Reason;

use super::Node;
use crate::activation::dispatch::deactivate;
use crate::activation::slot::Slot;

/// Scans per idle timeout: an object is unloaded late by at most this fraction of it.
const VISITS_PER_TIMEOUT: u32 = 8;
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Scans the node's table until the node is dropped.
pub(super) async fn run(node: Weak<Node>, idle_timeout: Duration) {
    let pause = (idle_timeout / VISITS_PER_TIMEOUT).clamp(PAUSE_MIN, PAUSE_MAX);
    loop {
        tokio::time::sleep(pause).await;
        let Some(node) = node.upgrade() else { return };
        let Some(session) = node.current_session() else { continue };
        let ctx = &session.ctx;
        let hub = &ctx.hub;
        // A watched object is in use.
        let is_idle =
            |slot: &Arc<Slot>| slot.is_idle_since(idle_timeout) && !hub.is_watched(slot.id());
        for slot in ctx.table.select(is_idle) {
            // Checked again: the object may have been called since it was selected.
            if is_idle(&slot) {
                deactivate(&slot, Reason::Idle, ctx);
            }
            // Each teardown is a separate task: let them run while the next ones start.
            tokio::task::consume_budget().await;
        }
    }
}
