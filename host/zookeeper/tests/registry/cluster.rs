//! Test environment: servers, sessions with a separate link each, and an operator that can change any znode.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use highlander_core::id::{NodeId, ObjectId};
use highlander_core::registry::claims::{ClaimKey, Granularity};
use highlander_core::registry::{Registry, SessionEvent};
use highlander_services::fault_proxy::FaultProxy;
use highlander_services::zookeeper::{Config, Ensemble};
use highlander_system::clock;
use highlander_zookeeper::{Options, Session, ZooKeeperSessions};
use parking_lot::Mutex;
use zookeeper_client::Client;

/// Longer than any step takes unless it hangs.
const TIMEOUT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(5);

/// Environment shared by the sessions of a test.
pub(crate) struct Cluster {
    pub(crate) ensemble: Ensemble,
    pub(crate) options: Options,
    links: Mutex<HashMap<NodeId, FaultProxy>>,
}

impl Cluster {
    /// Starts one server, with a session timeout of four seconds.
    pub(crate) async fn start() -> Self {
        Self::start_with(Config::default(), Duration::from_secs(4)).await
    }

    pub(crate) async fn start_with(config: Config, session_timeout: Duration) -> Self {
        let ensemble = tokio::task::spawn_blocking(|| Ensemble::start(config)).await.unwrap();
        let options = Options {
            connect: format!("{}/test/c", ensemble.connect_string()),
            session_timeout,
            granularity: Granularity::Object,
            claims_max: 25_000,
            credentials: None,
            tls: None,
            node_name: "node".to_owned(),
            address: "127.0.0.1:1".to_owned(),
            store: None,
        };
        Self { ensemble, options, links: Mutex::default() }
    }

    /// Opens a session that is connected to the servers directly.
    pub(crate) async fn join(&self, name: &str) -> Session {
        let sessions = ZooKeeperSessions::new(self.options.clone());
        sessions.begin_as(NodeId::new(name)).await.unwrap()
    }

    /// Opens a session that is connected to one server through a link.
    pub(crate) async fn join_by_link(&self, name: &str, server: usize) -> (Session, FaultProxy) {
        let link =
            FaultProxy::to(self.ensemble.server_address(server).parse().unwrap()).await.unwrap();
        let mut options = self.options.clone();
        options.connect = format!("{}/test/c", link.address());
        let session = ZooKeeperSessions::new(options).begin_as(NodeId::new(name)).await.unwrap();
        (session, link)
    }

    /// Connects an operator, within the chroot.
    pub(crate) async fn operator(&self) -> Client {
        let client = Client::connect(&self.ensemble.connect_string()).await.unwrap();
        client.chroot("/test/c".to_owned()).unwrap()
    }
}

#[async_trait]
impl highlander_testing::registry::Cluster for Cluster {
    type Session = Session;

    async fn join(&self, node: NodeId) -> Session {
        let (session, link) = self.join_by_link(node.as_str(), 0).await;
        self.links.lock().insert(node, link);
        session
    }

    async fn end(&self, session: &Session) {
        self.links.lock()[session.node()].cut();
    }
}

/// Returns the object with this number.
pub(crate) fn id(number: usize) -> ObjectId {
    ObjectId::new("todo", &number.to_string()).unwrap()
}

/// Returns the path of an object's claim, as documented.
pub(crate) fn claim_path(id: &ObjectId) -> String {
    path_of(Granularity::Object.key_of(id))
}

pub(crate) fn path_of(key: ClaimKey) -> String {
    let digits = key.to_string();
    format!("/c/{}/{digits}", &digits[..3])
}

pub(crate) fn lease_holds(session: &impl Registry) -> bool {
    session.lease_until() > clock::now()
}

/// Polls until the condition holds.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    within(what, asking).await;
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(TIMEOUT, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("timed out: {what}"),
    }
}

/// Returns the events up to and including `last`.
pub(crate) async fn notices_until(
    session: &impl Registry,
    last: &SessionEvent,
) -> Vec<SessionEvent> {
    let mut notices = Vec::new();
    while notices.last() != Some(last) {
        let what = format!("{last:?} after {notices:?}");
        notices.push(within(&what, session.next_event()).await);
    }
    notices
}
