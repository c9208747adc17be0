//! Health of the node: detects an unavailable store, and publishes the node's status.
//!
//! A node whose store has not answered for a while accepts no objects and gives up its own, so that another node
//! can serve them. Callers that wait for a write get "unknown": the write may still take effect, as after a crash,
//! and the next owner finds out.
//!
//! A store may answer reads but accept no writes, for example on a full disk. The node is then not ready either,
//! and gives up its objects once. From then on it rejects updates before executing anything and still answers
//! queries, because the other nodes may be unable to write too. Only an actual write shows that the store accepts
//! writes again.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use highlander_core::activation::{Operation, Reason};
use highlander_core::engine::HandlerKind;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::ObjectId;
use highlander_core::registry::members::NodeStatus;
use highlander_system::clock;
use tokio::sync::Semaphore;

use super::Node;
use super::session::Session;
use crate::activation::dispatch::deactivate;
use crate::store::health::Failing;

/// Interval of the health check.
const PAUSE: Duration = Duration::from_millis(500);
/// Time without an answer after which the store is probed. There may be no other requests, and a single lost one
/// proves little.
const PROBE_FROM: Duration = Duration::from_millis(500);

/// Monitors the node's health until the node is dropped.
pub(super) async fn run(node: Weak<Node>, store_unavailable_timeout: Duration) {
    let probes = Arc::new(Semaphore::new(1));
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(node) = node.upgrade() else { return };
        let has_become_unwritable = node.look_at_store(store_unavailable_timeout, &probes);
        if let Some(session) = node.current_session() {
            if node.is_unhealthy() {
                give_up(&session, Reason::GivenUp).await;
            } else if has_become_unwritable {
                give_up(&session, Reason::Unwritable).await;
            }
            node.tell_status(&session).await;
        }
    }
}

impl Node {
    /// Checks whether the node accepts calls to objects that are not active yet.
    ///
    /// # Errors
    /// The reason why it does not, with effect "none".
    pub fn readiness(&self) -> Result<(), Error> {
        let Some(session) = self.current_session() else {
            let text = "this node has no session with the registry";
            return Err(Error::new(ErrorCode::RegistryUnavailable, text));
        };
        if session.ctx.registry.lease_until() <= clock::now() {
            let text = "this node cannot reach the registry, and its lease has expired";
            return Err(Error::new(ErrorCode::RegistryUnavailable, text));
        }
        if self.is_draining() {
            return Err(Error::new(ErrorCode::Draining, "this node is handing over its objects"));
        }
        if self.is_unhealthy() {
            let text = "the store has not responded to this node for some time";
            return Err(Error::new(ErrorCode::StoreUnavailable, text));
        }
        if self.is_unwritable() {
            return Err(Error::new(ErrorCode::StoreUnavailable, self.unwritable()));
        }
        Ok(())
    }

    /// Rejects operations that change an object while the store accepts no writes.
    pub(super) async fn check_writable(
        &self,
        id: &ObjectId,
        operation: &Operation,
    ) -> Result<(), Box<Error>> {
        if !self.is_unwritable() {
            return Ok(());
        }
        let is_change = match operation {
            Operation::Query { .. } | Operation::Watch { .. } | Operation::ShowEffects => false,
            Operation::Handle { handler, .. } => {
                let revision = Box::pin(self.catalog.current(id.type_name())).await;
                let revision = revision.map_err(Box::new)?;
                let handler = revision.description.handler(handler);
                handler.is_some_and(|handler| handler.kind == HandlerKind::Update)
            }
            Operation::Delete
            | Operation::Resume
            | Operation::Wake
            | Operation::DeadLetters { .. }
            | Operation::FailedAlarms { .. } => true,
        };
        if !is_change {
            return Ok(());
        }
        let text = format!("the call to {id} was not executed: {}", self.unwritable());
        Err(Box::new(Error::new(ErrorCode::StoreUnavailable, text)))
    }

    /// Whether the store has not answered for longer than the node's limit.
    pub(super) fn is_unhealthy(&self) -> bool {
        self.is_unhealthy.load(Ordering::SeqCst)
    }

    /// Whether no write has succeeded for longer than the node's limit, although some were sent.
    fn is_unwritable(&self) -> bool {
        self.is_unwritable.load(Ordering::SeqCst)
    }

    fn unwritable(&self) -> String {
        format!("the store accepts no writes: {}", self.store.write_failure())
    }

    /// Updates the store's health and probes it if necessary. Returns `true` if it has just stopped accepting
    /// writes.
    fn look_at_store(&self, limit: Duration, probes: &Arc<Semaphore>) -> bool {
        let probe_from = PROBE_FROM.min(limit);
        let Failing { silent, unwritten } = self.store.failing(probe_from / 2);
        // In a task of its own: a probe that is not answered must not hold up the look at the clock.
        if silent.max(unwritten) >= probe_from
            && let Ok(only) = Arc::clone(probes).try_acquire_owned()
        {
            let store = Arc::clone(&self.store);
            tokio::spawn(async move {
                // A probe that takes longer has already shown that the store does not answer.
                let _ = tokio::time::timeout(limit, store.probe()).await;
                drop(only);
            });
        }
        let is_unhealthy = silent >= limit;
        match (self.is_unhealthy.swap(is_unhealthy, Ordering::SeqCst), is_unhealthy) {
            (false, true) => tracing::error!("the store does not answer: objects are released"),
            (true, false) => tracing::info!("the store answers again"),
            _ => {}
        }
        let is_unwritable = unwritten >= limit;
        match (self.is_unwritable.swap(is_unwritable, Ordering::SeqCst), is_unwritable) {
            (false, true) => {
                tracing::error!("{}: updates are rejected", self.unwritable());
                return true;
            }
            (true, false) => tracing::info!("the store accepts writes again"),
            _ => {}
        }
        false
    }

    async fn tell_status(&self, session: &Session) {
        let status = if self.is_draining() {
            NodeStatus::Draining
        } else if self.is_unhealthy() || self.is_unwritable() {
            NodeStatus::Unhealthy
        } else {
            NodeStatus::Ready
        };
        let registry = &session.ctx.registry;
        let told = registry.members().find(registry.node()).map(|member| member.status);
        if told.is_some_and(|told| told != status)
            && let Err(error) = registry.set_status(status).await
        {
            tracing::warn!("this node's status could not be published: {error}");
        }
    }
}

/// Gives up everything: what is under way ends as if this node had crashed.
async fn give_up(session: &Session, reason: Reason) {
    for slot in session.slots() {
        deactivate(&slot, reason, &session.ctx);
    }
    for key in session.ctx.registry.held() {
        // A claim that is still in use stays held, and so does one whose release fails.
        let _ = session.ctx.registry.hand_over(key).await;
    }
}
