//! ZooKeeper registry. A claim is an ephemeral znode, and a node's session is a ZooKeeper session.
//!
//! All znodes are below the chroot; nothing outside it is touched:
//!
//! | path | content | lifetime |
//! |---|---|---|
//! | `/c/abc/abc…` | a claim: 32 digits of its key in one of 4,096 shards, with its scope and its holder | session |
//! | `/n/NODE` | a node's description, as JSON | session |
//! | `/h/NODE` | the znode that the node's heartbeats rewrite | session |
//! | `/t/TYPE` | changes when nodes must read a type again | permanent; may be removed |
//! | `/cluster` | the cluster's identity, as in the store | permanent; restored if removed |
//!
//! The client library retries nothing and loses some of its watches. Operations whose outcome matters, and watches
//! that must see every change, are therefore handled here. The outcome of an unanswered operation is read after a
//! later write of the same session. After each reconnect, every watch is set again and everything is read again.
//! Only the lease decides whether claims may be trusted, never the library's view of the connection. Sessions are
//! never taken over or persisted, and another session's claim is never removed.

mod agreement;
mod claims;
mod client;
mod connection;
mod description;
mod error;
mod heartbeat;
pub mod inspect;
mod lease;
mod members;
mod options;
mod session;
mod session_events;
mod session_monitor;
mod type_changes;
mod watches;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use highlander_core::clock::BootTime;
use highlander_core::id::{NodeId, ObjectId, TypeName};
use highlander_core::registry::claims::{ClaimKey, Granularity};
use highlander_core::registry::members::{Members, NodeStatus};
use highlander_core::registry::{Claimed, Error, Registry, SessionEvent, Sessions};
use rand::RngExt as _;

pub use options::{Options, Tls};
use session::Shared;

/// Opens sessions of one node, each after the previous one has ended.
#[derive(Debug, Clone)]
pub struct ZooKeeperSessions {
    options: Arc<Options>,
}

impl ZooKeeperSessions {
    /// Creates a factory with these options. It does not connect yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options: Arc::new(options) }
    }

    /// Opens a session under the given name. The caller must ensure that no live session has it.
    ///
    /// # Errors
    /// The errors of [`Sessions::begin`].
    ///
    /// # Cancel safety
    /// If the future is dropped, a session that was already opened ends automatically.
    pub async fn begin_as(&self, node: NodeId) -> Result<Session, Error> {
        let shared = connection::begin(&self.options, node).await?;
        // From here on, dropping the value ends the session, including when a later step fails or is cancelled.
        let session = Session { shared };
        tokio::spawn(heartbeat::run(Arc::clone(&session.shared)));
        tokio::spawn(session_monitor::run(Arc::clone(&session.shared)));
        type_changes::begin(&session.shared).await;
        members::begin(&session.shared).await?;
        Ok(session)
    }
}

#[async_trait]
impl Sessions for ZooKeeperSessions {
    async fn begin(&self) -> Result<Arc<dyn Registry>, Error> {
        let node = NodeId::of_session(&self.options.node_name, rand::rng().random());
        Ok(Arc::new(self.begin_as(node).await?))
    }
}

/// One node's session. It ends at the latest when the value is dropped.
pub struct Session {
    shared: Arc<Shared>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.end("its node dropped it");
    }
}

#[async_trait]
impl Registry for Session {
    async fn claim(&self, id: &ObjectId) -> Result<Claimed, Error> {
        claims::claim(&self.shared, id).await
    }

    async fn release(&self, id: &ObjectId) -> Result<(), Error> {
        claims::release(&self.shared, id).await
    }

    async fn owner(&self, id: &ObjectId) -> Result<Option<NodeId>, Error> {
        claims::owner(&self.shared, id).await
    }

    fn lease_until(&self) -> BootTime {
        self.shared.lease_until()
    }

    fn claim_count(&self) -> usize {
        self.shared.claims.count()
    }

    fn node(&self) -> &NodeId {
        &self.shared.node
    }

    fn granularity(&self) -> Granularity {
        self.shared.granularity
    }

    fn held(&self) -> Vec<ClaimKey> {
        self.shared.claims.held()
    }

    async fn hand_over(&self, key: ClaimKey) -> Result<bool, Error> {
        claims::hand_over(&self.shared, key).await
    }

    fn members(&self) -> Members {
        self.shared.members.borrow().clone()
    }

    async fn members_changed(&self, known: &Members) {
        let mut members = self.shared.members.subscribe();
        if members.wait_for(|members| members != known).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn confirm_members(&self) -> Result<Members, Error> {
        members::confirm(&self.shared).await
    }

    async fn set_status(&self, status: NodeStatus) -> Result<(), Error> {
        members::set_status(&self.shared, status).await
    }

    async fn publish_type_change(&self, type_name: &TypeName) -> Result<(), Error> {
        type_changes::announce(&self.shared, type_name).await
    }

    async fn next_event(&self) -> SessionEvent {
        let notice = self.shared.notices.next().await;
        if notice == SessionEvent::LeaseResumed {
            // After lost claims, the lease is withheld until now: the caller handled their event before it
            // requested this one.
            self.shared.resume_lease();
        }
        notice
    }

    async fn leave(&self) {
        self.shared.end("it leaves gracefully");
        self.shared.link.closed().await;
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("node", &self.shared.node)
            .field("claim_count", &self.shared.claims.count())
            .finish_non_exhaustive()
    }
}
