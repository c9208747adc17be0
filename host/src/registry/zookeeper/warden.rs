//! Watches over a session: sees its end, and looks at its claims and at its cluster's identity.
//!
//! Claims are looked at after each reconnect, after the lease ran out and a heartbeat was answered, and every few
//! seconds besides: that is when a claim that an operator removed is found. A watch on the claims would deliver every
//! claim of the cluster to every node, and one watch for each claim would cost the servers as much memory as the
//! claims and a registration with each activation; a list of this session's own is one read from memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use zookeeper_client::SessionState;

use super::failure::Failure;
use super::link::is_terminal;
use super::shared::Shared;
use super::{agreement, claims};

/// How often the claims are looked at when nothing asks for it.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(4);

/// Watches until the session is over.
pub(super) async fn run(shared: Arc<Shared>) {
    tokio::join!(watch_states(&shared), look_after_claims(&shared), agreement::keep(&shared));
}

async fn watch_states(shared: &Shared) {
    let mut states = shared.link.states();
    loop {
        tokio::select! {
            () = shared.link.over() => return,
            state = states.changed() => match state {
                state if is_terminal(state) => shared.end(&format!("the client says {state}")),
                SessionState::SyncConnected => {
                    // A heartbeat that waited through the outage counts from before it.
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
        // Asked before the claims are read: a heartbeat that comes in meanwhile asks again.
        let was_asked = shared.is_look_due();
        match claims::missing(shared).await {
            Ok(lost) => shared.looked(lost, was_asked),
            Err(Failure::Over) => return,
            // The lease stays as it is. The next answered heartbeat asks again.
            Err(failure) => {
                tracing::debug!(node = %shared.node, "the claims were not read: {failure:?}");
            }
        }
        claims::tidy(shared);
    }
}
