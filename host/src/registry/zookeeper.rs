//! The registry of a cluster: ZooKeeper. A claim is an ephemeral znode, a node's session is a session there.
//!
//! Below the chroot, and nothing is touched outside of it:
//!
//! | path | what | lives |
//! |---|---|---|
//! | `/c/abc/abc…` | a claim: 32 digits of its key in one of 4,096 shards, holding who and what | with its session |
//! | `/n/NODE` | a node's description, as JSON | with its session |
//! | `/h/NODE` | what the node's heartbeats rewrite | with its session |
//! | `/t/TYPE` | changes when nodes are to look at a type again | for good, and may be removed |
//! | `/cluster` | which cluster this is, as in the store | for good, and is put back where it was removed |
//!
//! The client library repeats nothing and forgets some of its watches, so whatever depends on an outcome or on having
//! seen every change is settled here: an operation without an answer is looked up after a later write of the same
//! session, and after each reconnect everything is watched and read again. Only the lease says whether claims may be
//! trusted, never the library's view of the connection. No session is taken over or stored, and no other session's
//! claim is ever removed.

mod agreement;
mod claims;
mod connection;
mod failure;
mod follow;
mod heartbeat;
pub mod inspect;
mod lease;
mod link;
mod members;
mod notices;
mod shared;
mod types;
mod warden;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::RngExt as _;
use tokio::sync::watch;

use super::agreement::ClusterStore;
use super::claims::{ClaimKey, Granularity};
use super::members::{Members, Standing};
use super::{Claimed, Error, Notice, Registry, Sessions};
use crate::clock::BootTime;
use crate::id::{NodeId, ObjectId, TypeName};
use shared::Shared;

/// How a node takes part in a cluster.
#[derive(Clone)]
pub struct Options {
    /// Servers, and the chroot of this cluster: `h1:2181,h2:2181/highlander`.
    pub connect: String,
    /// How long the servers wait for a silent session before they end it. They may grant another time, and four of
    /// their ticks is the least with which the lease is safe.
    pub session_timeout: Duration,
    /// What one claim covers. Alike on all nodes.
    pub granularity: Granularity,
    /// Most claims of one session, for a chroot that leaves their paths at 48 bytes; fewer where they are longer.
    /// Closing a session writes all its paths at once, and too many of them stop the whole ensemble for good.
    pub claims_max: usize,
    /// `user:password` for digest authentication. With it all znodes are the creator's alone, without it everybody's.
    pub credentials: Option<String>,
    /// Speak TLS with the servers.
    pub tls: Option<Tls>,
    /// The node's name, to which each session adds a part of its own.
    pub node_name: String,
    /// Where the node answers: host and port.
    pub address: String,
    /// The records that belong to this cluster and to no other; not looked at where there are none.
    pub store: Option<Arc<dyn ClusterStore>>,
}

/// How a node and the servers know each other.
#[derive(Debug, Clone)]
pub struct Tls {
    /// A PEM file of the certificates that servers' certificates are checked with.
    pub ca: PathBuf,
    /// PEM files of the node's own certificate and private key, if the servers want one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Begins sessions of one node, one after another.
#[derive(Debug, Clone)]
pub struct ZooKeeperSessions {
    options: Arc<Options>,
}

impl ZooKeeperSessions {
    /// Sessions with these options. Nothing is connected yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options: Arc::new(options) }
    }

    /// Begins a session under a name that the caller answers for: no live session may have it.
    ///
    /// # Errors
    /// As of [`Sessions::begin`].
    ///
    /// # Cancel safety
    /// A session that was begun ends by itself.
    pub async fn begin_as(&self, node: NodeId) -> Result<Session, Error> {
        let shared = connection::begin(&self.options, node).await?;
        // From here on the session ends with the value, also where what follows fails or is cancelled.
        let session = Session { shared };
        tokio::spawn(heartbeat::run(Arc::clone(&session.shared)));
        tokio::spawn(warden::run(Arc::clone(&session.shared)));
        types::begin(&session.shared).await;
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

/// One node's session. It ends with the value, at the latest.
pub struct Session {
    shared: Arc<Shared>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.end("its node let go of it");
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

    fn members(&self) -> watch::Receiver<Members> {
        self.shared.members.subscribe()
    }

    async fn confirm_members(&self) -> Result<Members, Error> {
        members::confirm(&self.shared).await
    }

    async fn set_standing(&self, standing: Standing) -> Result<(), Error> {
        members::set_standing(&self.shared, standing).await
    }

    async fn announce(&self, type_name: &TypeName) -> Result<(), Error> {
        types::announce(&self.shared, type_name).await
    }

    async fn next_notice(&self) -> Notice {
        let notice = self.shared.notices.next().await;
        if notice == Notice::LeaseResumed {
            // Where claims were lost, the lease was held down until now: the notice of them was dealt with before
            // this one was asked for.
            self.shared.resume_lease();
        }
        notice
    }

    async fn leave(&self) {
        self.shared.end("it leaves in order");
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

/// Without the credentials.
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
