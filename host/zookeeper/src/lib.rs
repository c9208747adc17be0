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
mod error;
mod heartbeat;
pub mod inspect;
mod lease;
mod members;
mod session;
mod session_events;
mod session_monitor;
mod type_changes;
mod watches;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use highlander_core::clock::BootTime;
use highlander_core::id::{NodeId, ObjectId, TypeName};
use highlander_core::registry::agreement::ClusterStore;
use highlander_core::registry::claims::{ClaimKey, Granularity};
use highlander_core::registry::members::{Members, NodeStatus};
use highlander_core::registry::{Claimed, Error, Registry, SessionEvent, Sessions};
use rand::RngExt as _;

use session::Shared;

/// Settings with which a node takes part in a cluster.
#[derive(Clone)]
pub struct Options {
    /// Servers and the cluster's chroot: `h1:2181,h2:2181/highlander`.
    pub connect: String,
    /// Time after which the servers end a silent session. They may grant a different time. The lease is safe only
    /// if the granted time is at least four of their ticks.
    pub session_timeout: Duration,
    /// Scope of one claim. Equal on all nodes.
    pub granularity: Granularity,
    /// Maximum number of claims of one session, if the chroot leaves claim paths at 48 bytes or less; longer paths
    /// reduce it. Closing a session writes all its paths at once, and too many of them stop the whole ensemble
    /// permanently.
    pub claims_max: usize,
    /// `user:password` for digest authentication. With credentials, only their owner can access the znodes;
    /// without them, everybody can.
    pub credentials: Option<String>,
    /// TLS settings; plain TCP if absent.
    pub tls: Option<Tls>,
    /// Name of the node. Each session appends a unique suffix.
    pub node_name: String,
    /// Host and port at which the node listens.
    pub address: String,
    /// Store that must belong to the same cluster. The check is skipped if absent.
    pub store: Option<Arc<dyn ClusterStore>>,
}

/// Certificates with which the node and the servers authenticate each other.
#[derive(Debug, Clone)]
pub struct Tls {
    /// PEM file of the certificates that verify the servers' certificates.
    pub ca: PathBuf,
    /// PEM files of the node's certificate and private key, if the servers require one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

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

/// Omits the credentials.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("connect", &self.connect)
            .field("session_timeout", &self.session_timeout)
            .field("granularity", &self.granularity)
            .field("claims_max", &self.claims_max)
            .field("has_credentials", &self.credentials.is_some())
            .field("tls", &self.tls)
            .field("node_name", &self.node_name)
            .field("address", &self.address)
            .field("store", &self.store)
            .finish()
    }
}
