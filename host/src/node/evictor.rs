//! Evictor: drops idle instances while the memory of the node is scarce, or after a call found none.
//!
//! One task waits for that, and lets a thread that may block drop the instances. It never waits for a call.

use std::sync::{Arc, Weak};
use std::time::Duration;

use highlander_core::memory::MemoryTotal;
use tokio::sync::watch;

use super::Node;
use crate::activation::context::SessionContext;

/// Pause after which an eviction that freed too little is tried again, even if no instance became idle.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// Evicts instances until the node is dropped.
pub(super) async fn run(node: Weak<Node>, memory: Arc<MemoryTotal>, mut gone: watch::Receiver<()>) {
    loop {
        tokio::select! {
            () = memory.eviction_needed() => {}
            _ = gone.changed() => return,
        }
        let session = node.upgrade().and_then(|node| node.current_session());
        let Some(session) = session else {
            // The instances of an ended session are dropped as its calls end.
            tokio::time::sleep(RETRY_PAUSE).await;
            continue;
        };
        let ctx = Arc::clone(&session.ctx);
        if let Err(error) = tokio::task::spawn_blocking(move || ctx.instances.evict()).await {
            tracing::error!("the evictor of instances failed: {error}");
        }
        if memory.needs_eviction() {
            wait_for_more(&memory, &session.ctx).await;
        }
    }
}

/// Waits until an instance becomes idle, which another eviction can then drop, or memory is no longer scarce.
async fn wait_for_more(memory: &MemoryTotal, ctx: &SessionContext) {
    tokio::select! {
        () = ctx.instances.returned() => {}
        () = memory.not_scarce() => {}
        () = tokio::time::sleep(RETRY_PAUSE) => {}
    }
}
