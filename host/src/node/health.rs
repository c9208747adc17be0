//! Whether the node can do its work, and what the others are told about it.
//!
//! A node whose store has not answered for a while takes no objects and gives up those that it has, so that another one
//! can serve them. Whoever waits for the outcome of a write is told "unknown": the write may still take place, as after
//! a crash, and the next owner finds out.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Node;
use super::session::Session;
use crate::activation::Reason;
use crate::activation::offer::deactivate;
use crate::clock::BootTime;
use crate::error::{Code, Error};
use crate::registry::members::Standing;
use crate::store::Store as _;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// A name that no blob has: whether the store answers is all that is asked.
const PROBE: &str = "probe/health";

/// Looks after the node until it is gone.
pub(super) async fn run(node: Weak<Node>, store_patience: Duration) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(node) = node.upgrade() else { return };
        node.look_at_store(store_patience).await;
        if let Some(session) = node.present() {
            if node.is_unwell() {
                give_up(&session).await;
            }
            node.tell_standing(&session).await;
        }
    }
}

impl Node {
    /// Whether the node takes calls for objects that are not active yet.
    ///
    /// # Errors
    /// Why it does not, with effect "none".
    pub fn readiness(&self) -> Result<(), Error> {
        let Some(session) = self.present() else {
            let text = "this node has no session with the registry";
            return Err(Error::new(Code::RegistryUnavailable, text));
        };
        if session.around.registry.lease_until() <= BootTime::now() {
            let text = "this node cannot reach the registry, and its lease is over";
            return Err(Error::new(Code::RegistryUnavailable, text));
        }
        if self.is_draining() {
            return Err(Error::new(Code::Draining, "this node hands its objects over"));
        }
        if self.is_unwell() {
            let text = "the store has not answered this node for some time";
            return Err(Error::new(Code::StoreUnavailable, text));
        }
        Ok(())
    }

    /// Whether the store has not answered for longer than the node's patience.
    pub(super) fn is_unwell(&self) -> bool {
        self.is_unwell.load(Ordering::SeqCst)
    }

    async fn look_at_store(&self, patience: Duration) {
        if self.is_unwell() {
            // Nobody else asks while no object is activated.
            let _ = self.store.get(PROBE).await;
        }
        let is_unwell = self.store.failing_for() >= patience;
        match (self.is_unwell.swap(is_unwell, Ordering::SeqCst), is_unwell) {
            (false, true) => tracing::error!("the store does not answer: objects are given up"),
            (true, false) => tracing::info!("the store answers again"),
            _ => {}
        }
    }

    async fn tell_standing(&self, session: &Session) {
        let standing = if self.is_draining() {
            Standing::Draining
        } else if self.is_unwell() {
            Standing::Unwell
        } else {
            Standing::Ready
        };
        let registry = &session.around.registry;
        let told = registry.members().borrow().find(registry.node()).map(|member| member.standing);
        if told.is_some_and(|told| told != standing)
            && let Err(error) = registry.set_standing(standing).await
        {
            tracing::warn!("the other nodes do not know yet how this one is: {error}");
        }
    }
}

/// Gives up everything: what is under way ends as if this node had crashed.
async fn give_up(session: &Session) {
    for cell in session.cells() {
        deactivate(&cell, Reason::GivenUp, &session.around);
    }
    for key in session.around.registry.held() {
        // What is still claimed stays; an error means that it stays too.
        let _ = session.around.registry.hand_over(key).await;
    }
}
