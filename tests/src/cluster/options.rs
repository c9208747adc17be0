//! What a cluster is started with.
//! Nothing is started here, and every default is what most tests want.

use std::time::Duration;

use highlander_services::zookeeper::{Config, Route};

use super::bucket::Kind;
use crate::node::Options;

/// How much one claim covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claims {
    /// One object.
    Object,
    /// One of so many partitions.
    Partitions(u16),
}

/// What a cluster is started with.
#[derive(Clone)]
pub struct ClusterOptions {
    /// Nodes.
    pub nodes: usize,
    /// ZooKeeper servers, 1 or 3.
    pub zookeeper_servers: usize,
    /// After how long a silent node has lost its claims.
    pub session_timeout: Duration,
    /// ZooKeeper's tick.
    pub tick_ms: u32,
    /// How many ticks a ZooKeeper server may be silent for its leader.
    pub sync_limit: u32,
    /// How much one claim covers.
    pub claims: Claims,
    /// Who keeps the records.
    pub bucket: Kind,
    /// What is deployed; a guest is named as its type.
    pub guests: Vec<&'static str>,
    /// What every node is told besides.
    pub node: Options,
    /// What single nodes are told besides, by number.
    pub only: Vec<(usize, Options)>,
    /// The token that the tests show every node, where they ask for one: it is to be good for everything.
    pub token: Option<String>,
    /// Other ways between the ZooKeeper servers.
    pub route: Option<Route>,
}

/// Three nodes, one ZooKeeper server, and a session that is over quickly.
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
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with three ZooKeeper servers, and a session that outlives an election.
    #[must_use]
    pub fn with_three_servers() -> Self {
        Self { zookeeper_servers: 3, session_timeout: Duration::from_secs(4), ..Self::default() }
    }

    /// The same with another session timeout.
    #[must_use]
    pub fn session(self, timeout: Duration) -> Self {
        Self { session_timeout: timeout, ..self }
    }

    /// The same with these guests.
    #[must_use]
    pub fn guests(self, guests: &[&'static str]) -> Self {
        Self { guests: guests.to_vec(), ..self }
    }

    /// The same with one key of every node's configuration.
    #[must_use]
    pub fn with(self, key: &str, value: &str) -> Self {
        Self { node: self.node.with(key, value), ..self }
    }

    /// The same with nodes that ask for tokens, of which this one is good for everything.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// The same with claims by partition.
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

    /// What a node is told of the cluster.
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
