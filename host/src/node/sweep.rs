//! Tears down the objects that nobody has called for a while.
//!
//! One task visits the table now and then: an object needs no timer of its own.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Node;
use crate::activation::Reason;
use crate::activation::cell::Cell;
use crate::activation::offer::deactivate;

/// How many visits make one idle timeout: an object is torn down at most this fraction of it late.
const VISITS_PER_TIMEOUT: u32 = 8;
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Visits the node's table until the node is gone.
pub(super) async fn run(node: Weak<Node>, idle_timeout: Duration) {
    let pause = (idle_timeout / VISITS_PER_TIMEOUT).clamp(PAUSE_MIN, PAUSE_MAX);
    loop {
        tokio::time::sleep(pause).await;
        let Some(node) = node.upgrade() else { return };
        let Some(session) = node.present() else { continue };
        let around = &session.around;
        let hub = &around.hub;
        // An object that somebody watches is in use.
        let is_idle =
            |cell: &Arc<Cell>| cell.is_idle_since(idle_timeout) && !hub.is_watched(cell.id());
        for cell in around.table.select(is_idle) {
            // Looked at again: it may have been called since it was selected.
            if is_idle(&cell) {
                deactivate(&cell, Reason::Idle, around);
            }
            // Each teardown is a task of its own: let them run while the next are begun.
            tokio::task::consume_budget().await;
        }
    }
}
