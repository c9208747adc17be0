//! Settings with which a node takes part in a cluster.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use highlander_core::registry::agreement::ClusterStore;
use highlander_core::registry::claims::Granularity;

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
