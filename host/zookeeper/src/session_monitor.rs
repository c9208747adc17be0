//! Monitors a session: detects its end, and checks its claims and its cluster's identity.
//!
//! The claims are checked after each reconnect, after the first answered heartbeat that follows an expired lease,
//! and every few seconds. The periodic check finds claims that an operator removed. A watch on all claims would
//! deliver every claim of the cluster to every node. A watch per claim would cost the servers as much memory as
//! the claims themselves, and one registration per activation. Listing this session's claims is a single read from
//! memory.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};
use zookeeper_client::SessionState;

use super::client::is_terminal;
use super::error::Failure;
use super::session::{LOOK_INTERVAL, Shared};
use super::{agreement, claims};

/// Monitors until the session ends.
pub(super) async fn run(shared: Arc<Shared>) {
    tokio::join!(watch_states(&shared), look_after_claims(&shared), agreement::keep(&shared));
}

async fn watch_states(shared: &Shared) {
    let mut states = shared.link.states();
    loop {
        tokio::select! {
            () = shared.link.over() => return,
            state = states.changed() => match state {
                state if is_terminal(state) => shared.end(&format!("the client reports {state}")),
                SessionState::SyncConnected => {
                    // A heartbeat that was queued during the outage counts only from before it.
                    shared.beat.notify_one();
                    shared.look.notify_one();
                }
                _ => tracing::info!(node = %shared.node, "the connection to ZooKeeper is lost"),
            },
        }
    }
}

async fn look_after_claims(shared: &Arc<Shared>) {
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.link.over() => return,
            _ = looks.tick() => {}
            () = shared.look.notified() => {}
        }
        // Read before the claims: a heartbeat that is answered during the check requests another one.
        let was_asked = shared.is_look_due();
        match claims::missing(shared).await {
            Ok(lost) => shared.looked(lost, was_asked),
            Err(Failure::Over) => return,
            // The lease stays as it is. The next answered heartbeat requests another check.
            Err(failure) => {
                tracing::debug!(node = %shared.node, "cannot read the claims: {failure:?}");
            }
        }
        claims::tidy(shared);
    }
}
