//! Session loop of a node: opens one session after another, and handles the events of each.
//!
//! When a session ends, every activation under it ends at once. The next session starts with an empty table.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use highlander_core::activation::Reason;
use highlander_core::placement;
use highlander_core::registry::claims::{ClaimKey, Granularity};
use highlander_core::registry::{Registry, SessionEvent, Sessions};
use tokio::sync::watch;

use super::drain::hand_over_chosen;
use super::session::Session;
use super::{Node, until};
use crate::activation::dispatch::{deactivate, wake};
use crate::activation::table::Table;

/// Bounds of the pause between two attempts to open a session.
const BEGIN_PAUSE_MIN: Duration = Duration::from_millis(100);
const BEGIN_PAUSE_MAX: Duration = Duration::from_secs(2);
/// Bounds of the pause between two attempts to read a type again.
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(100);
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Runs until the node is dropped.
pub(super) async fn run(
    node: Weak<Node>,
    sessions: Arc<dyn Sessions>,
    mut gone: watch::Receiver<()>,
) {
    loop {
        let registry = tokio::select! {
            registry = begin(&*sessions) => registry,
            _ = gone.changed() => return,
        };
        let Some(session) = node.upgrade().map(|node| node.begin_session(Arc::clone(&registry)))
        else {
            return registry.leave().await;
        };
        look_again(&node, session.ctx.catalog.known_types());
        let rebalancing = rebalance(Arc::clone(&session));
        tokio::select! {
            () = attend(&node, &session) => {}
            // Never completes: the end of the session is reported as an event.
            () = rebalancing.then(|()| std::future::pending()) => {}
            _ = gone.changed() => return registry.leave().await,
        }
        if let Some(node) = node.upgrade() {
            node.end_session();
        }
        tracing::warn!(node = %registry.node(), "the session is over; all its activations end");
        tokio::spawn(async move { end_all(&session).await });
    }
}

async fn begin(sessions: &dyn Sessions) -> Arc<dyn Registry> {
    let mut pause = BEGIN_PAUSE_MIN;
    loop {
        match sessions.begin().await {
            Ok(registry) => return registry,
            Err(error) => {
                tracing::warn!("starting a session failed and will be retried: {error}");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(BEGIN_PAUSE_MAX);
    }
}

/// Handles the events of a session until it ends.
async fn attend(node: &Weak<Node>, session: &Arc<Session>) {
    loop {
        match session.ctx.registry.next_event().await {
            SessionEvent::SessionOver => return,
            SessionEvent::ClaimsLost(keys) => lose(session, &keys),
            SessionEvent::LeaseResumed => {
                for slot in session.slots() {
                    wake(&slot, &session.ctx);
                }
            }
            SessionEvent::TypeChanged(name) => look_again(node, vec![name]),
            SessionEvent::TypesUncertain => {
                let Some(present) = node.upgrade() else { return };
                present.catalog().invalidate();
                look_again(node, present.catalog().known_types());
            }
        }
    }
}

/// Reads types again in a separate task, so that a slow store does not delay events. A failed read is retried,
/// because the notification does not come a second time.
fn look_again(node: &Weak<Node>, names: Vec<highlander_core::id::TypeName>) {
    let node = node.clone();
    tokio::spawn(async move {
        for name in names {
            let mut pause = LOOK_PAUSE_MIN;
            while let Some(present) = node.upgrade() {
                if present.refresh_type(&name).await {
                    break;
                }
                drop(present);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LOOK_PAUSE_MAX);
            }
        }
    });
}

/// Ends the activations under lost claims.
fn lose(session: &Arc<Session>, keys: &[ClaimKey]) {
    tracing::warn!(count = keys.len(), "claims are lost; their activations end");
    for slot in session.slots() {
        if keys.contains(&session.key_of(slot.id())) {
            deactivate(&slot, Reason::ClaimLost, &session.ctx);
        }
    }
}

/// Ends all activations of an ended session; writes in progress are resolved first.
async fn end_all(session: &Session) {
    let table: &Table = &session.ctx.table;
    until(|| {
        for slot in session.slots() {
            deactivate(&slot, Reason::SessionOver, &session.ctx);
        }
        table.is_empty()
    })
    .await;
}

/// Hands over the claims that belong on other nodes whenever the members change, if a claim covers many objects.
async fn rebalance(session: Arc<Session>) {
    let registry = &session.ctx.registry;
    if registry.granularity() == Granularity::Object {
        // A single object moves when it becomes idle or its node drains.
        return;
    }
    let me = registry.node();
    loop {
        let present = registry.members();
        let is_others = |key| placement::preferred(key, &present).is_some_and(|m| m.node != *me);
        hand_over_chosen(&session, is_others).await;
        registry.members_changed(&present).await;
    }
}
