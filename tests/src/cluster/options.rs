//! Configuration of a test cluster, with defaults that suit most tests.

use std::time::Duration;

use highlander_services::zookeeper::{Config, Route};

use super::bucket::Kind;
use crate::node::Options;

/// Extent of one claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claims {
    /// One object.
    Object,
    /// One of this many partitions.
    Partitions(u16),
}

/// Options of a cluster.
#[derive(Clone)]
pub struct ClusterOptions {
    /// Number of nodes.
    pub nodes: usize,
    /// Number of ZooKeeper servers, 1 or 3.
    pub zookeeper_servers: usize,
    /// Session timeout, after which a silent node loses its claims.
    pub session_timeout: Duration,
    /// ZooKeeper's tick, in milliseconds.
    pub tick_ms: u32,
    /// Number of ticks for which a ZooKeeper server may be out of contact with its leader.
    pub sync_limit: u32,
    /// Extent of one claim.
    pub claims: Claims,
    /// Server that stores the records.
    pub bucket: Kind,
    /// Guests to deploy; a guest has the name of its type.
    pub guests: Vec<&'static str>,
    /// Additional configuration of every node.
    pub node: Options,
    /// Additional configuration of single nodes, by index.
    pub only: Vec<(usize, Options)>,
    /// Token of the tests for every node, if nodes require one; it must grant all scopes.
    pub token: Option<String>,
    /// Links between the ZooKeeper servers, in place of direct connections.
    pub route: Option<Route>,
}

/// Three nodes, one ZooKeeper server, and a short session timeout.
impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            nodes: 3,
            zookeeper_servers: 1,
            session_timeout: Duration::from_secs(2),
            tick_ms: 500,
            sync_limit: 2,
            claims: Claims::Object,
            bucket: Kind::Ours,
            guests: vec!["journal"],
            node: Options::new(),
            only: Vec::new(),
            token: None,
            route: None,
        }
    }
}

impl std::fmt::Debug for ClusterOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterOptions")
            .field("nodes", &self.nodes)
            .field("zookeeper_servers", &self.zookeeper_servers)
            .field("session_timeout", &self.session_timeout)
            .finish_non_exhaustive()
    }
}

impl ClusterOptions {
    /// Creates the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates options with three ZooKeeper servers, and a session that outlives an election.
    #[must_use]
    pub fn with_three_servers() -> Self {
        Self { zookeeper_servers: 3, session_timeout: Duration::from_secs(4), ..Self::default() }
    }

    /// Sets the session timeout.
    #[must_use]
    pub fn session(self, timeout: Duration) -> Self {
        Self { session_timeout: timeout, ..self }
    }

    /// Sets the guests.
    #[must_use]
    pub fn guests(self, guests: &[&'static str]) -> Self {
        Self { guests: guests.to_vec(), ..self }
    }

    /// Sets one configuration key of every node.
    #[must_use]
    pub fn with(self, key: &str, value: &str) -> Self {
        Self { node: self.node.with(key, value), ..self }
    }

    /// Makes nodes require tokens, of which this one grants all scopes.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// Sets claims by partition.
    #[must_use]
    pub fn partitions(self, count: u16) -> Self {
        Self { claims: Claims::Partitions(count), ..self }
    }

    pub(super) fn ensemble(&self) -> Config {
        Config {
            server_count: self.zookeeper_servers,
            tick_ms: self.tick_ms,
            sync_limit: self.sync_limit,
            route: self.route.clone(),
            ..Config::default()
        }
    }

    /// Returns the cluster-wide part of a node's configuration.
    pub(super) fn node_options(&self, index: usize) -> Options {
        let timeout = format!("{}ms", self.session_timeout.as_millis());
        let claims = match self.claims {
            Claims::Object => "object".to_owned(),
            Claims::Partitions(count) => format!("partitions = {count}"),
        };
        let mut options = Options::new()
            .with("registry.kind", "zookeeper")
            .with("registry.session_timeout", &timeout)
            .with("registry.claims", &claims)
            .with("store.kind", "s3")
            .with("store.prefix", super::PREFIX)
            .with("store.region", "us-east-1")
            .with("store.path_style", "true")
            .with("node.listen", "127.0.0.1:0")
            .and(&self.node);
        for (only, more) in &self.only {
            if *only == index {
                options = options.and(more);
            }
        }
        options
    }
}
