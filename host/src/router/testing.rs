//! Test cluster: several nodes in one process that share one directory, one store and the scripted engine. Peers
//! are called as functions, unless a test replaces them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use highlander_core::activation::idempotency::fingerprint;
use highlander_core::activation::{Call, IdempotencyKey, Operation};
use highlander_core::catalog::deploy::DeployOptions;
use highlander_core::clock::BootTime;
use highlander_core::events::event_id::EventId;
use highlander_core::events::frame::Frame;
use highlander_core::id::{NodeId, ObjectId, TypeName};
use highlander_core::registry::claims::{ClaimKey, Granularity};
use highlander_core::registry::members::{Member, Members, NodeStatus};
use highlander_core::registry::{Claimed, Error, Registry, SessionEvent, Sessions};
use highlander_core::rollout::{Progress, ProgressQuery};
use highlander_testing::fake_engine::FakeEngine;
use highlander_testing::memory::Memory;
use highlander_testing::registry::members_until;
use parking_lot::Mutex;
use serde_json::Value;

use super::context::Context;
use super::peers::{Events, Failure, PeerResult, Peers, RoutedAnswer};
use super::{Config, Router};
pub(crate) use crate::activation::testing::call;
use crate::events::listener::Listener;
use crate::node::list::{Page, Query};
use crate::node::{self, Node, Ports};
use crate::registry::local::{Directory, Session};
use crate::wire::objects::ObjectLocation;
use crate::wire::rehearsals::{Rehearsed, Staged};

pub(crate) fn keyed(key: &str, call: Call) -> Call {
    let fingerprint = fingerprint(&call.operation, &call.caller);
    Call { key: Some(IdempotencyKey { key: key.into(), fingerprint }), ..call }
}

pub(crate) fn counter(key: &str) -> ObjectId {
    ObjectId::new("counter", key).unwrap()
}

/// Session that counts requests for claims.
#[derive(Debug)]
pub(crate) struct Counting {
    pub(crate) session: Session,
    pub(crate) claims: AtomicU64,
}

#[async_trait]
impl Registry for Counting {
    async fn claim(&self, id: &ObjectId) -> Result<Claimed, Error> {
        self.claims.fetch_add(1, Ordering::SeqCst);
        self.session.claim(id).await
    }

    async fn release(&self, id: &ObjectId) -> Result<(), Error> {
        self.session.release(id).await
    }

    async fn owner(&self, id: &ObjectId) -> Result<Option<NodeId>, Error> {
        self.session.owner(id).await
    }

    fn lease_until(&self) -> BootTime {
        self.session.lease_until()
    }

    fn claim_count(&self) -> usize {
        self.session.claim_count()
    }

    fn node(&self) -> &NodeId {
        self.session.node()
    }

    fn granularity(&self) -> Granularity {
        self.session.granularity()
    }

    fn held(&self) -> Vec<ClaimKey> {
        self.session.held()
    }

    async fn hand_over(&self, key: ClaimKey) -> Result<bool, Error> {
        self.session.hand_over(key).await
    }

    fn members(&self) -> Members {
        self.session.members()
    }

    async fn members_changed(&self, known: &Members) {
        self.session.members_changed(known).await;
    }

    async fn confirm_members(&self) -> Result<Members, Error> {
        self.session.confirm_members().await
    }

    async fn set_status(&self, status: NodeStatus) -> Result<(), Error> {
        self.session.set_status(status).await
    }

    async fn publish_type_change(&self, type_name: &TypeName) -> Result<(), Error> {
        self.session.publish_type_change(type_name).await
    }

    async fn next_event(&self) -> SessionEvent {
        self.session.next_event().await
    }

    async fn leave(&self) {
        self.session.leave().await;
    }
}

/// Fault of one call to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call does not reach the peer.
    NotSent,
    /// The call does not reach the peer, and the caller cannot detect that.
    LostRequest,
    /// The call is executed, and the answer is lost.
    LostAnswer,
    /// The call is neither executed nor answered.
    Silence,
}

/// Peers in this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nearby {
    routers: Arc<Mutex<HashMap<NodeId, Arc<Router>>>>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    calls: Arc<Mutex<Vec<(NodeId, u8)>>>,
}

impl Nearby {
    /// Injects one fault into each of the next calls to any peer.
    pub(crate) fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().extend(faults);
    }

    /// Returns the calls since the previous query: their targets and hops.
    pub(crate) fn take_calls(&self) -> Vec<(String, u8)> {
        let calls = std::mem::take(&mut *self.calls.lock());
        calls.into_iter().map(|(node, hops)| (node.to_string(), hops)).collect()
    }

    /// Makes a node unreachable, as if its process had been killed.
    pub(crate) fn kill(&self, node: &Arc<Node>) {
        self.routers.lock().remove(&node.id());
    }

    fn router(&self, to: &Member) -> Result<Arc<Router>, Failure> {
        let routers = self.routers.lock();
        let found = routers.get(&to.node).cloned();
        found.ok_or_else(|| Failure::NotSent("cannot be reached".to_owned()))
    }
}

#[async_trait]
impl Peers for Nearby {
    async fn call(
        &self,
        to: &Member,
        id: &ObjectId,
        call: &Call,
        context: Context,
    ) -> Result<RoutedAnswer, Failure> {
        self.calls.lock().push((to.node.clone(), context.hops));
        let interrupted = || Err(Failure::Interrupted("interrupted the request".to_owned()));
        let fault = self.faults.lock().pop_front();
        let router = self.router(to)?;
        match fault {
            Some(Fault::NotSent) => return Err(Failure::NotSent("is out of reach".to_owned())),
            Some(Fault::LostRequest) => return interrupted(),
            Some(Fault::Silence) => return std::future::pending().await,
            Some(Fault::LostAnswer) | None => {}
        }
        let answered = router.route(id, call, context).await;
        if fault == Some(Fault::LostAnswer) {
            return interrupted();
        }
        Ok(answered)
    }

    async fn watch(
        &self,
        to: &Member,
        id: &ObjectId,
        after: Option<EventId>,
        _: Duration,
    ) -> PeerResult<Events> {
        let asked =
            Call { operation: Operation::Watch { publish_state: true }, ..call("", &Value::Null) };
        let context = Context { hops: 1 };
        let listening = self.router(to)?.watch(id, asked, after, context).await;
        let next = |mut listener: Listener| async move {
            let heard = listener.next().await;
            let copy = |frame: Arc<Frame>| {
                Frame::new(frame.id, Arc::clone(&frame.name), frame.data.clone())
            };
            Some((heard.map(copy).map_err(|end| end.as_str().to_owned()), listener))
        };
        Ok(listening.map_err(|error| *error).map(|listener| stream::unfold(listener, next).boxed()))
    }

    async fn locate(&self, to: &Member, id: &ObjectId, _: Duration) -> PeerResult<ObjectLocation> {
        Ok(self.router(to)?.locate(id, Context { hops: 1 }).await)
    }

    async fn deactivate(&self, to: &Member, id: &ObjectId, _: Duration) -> PeerResult<bool> {
        Ok(self.router(to)?.deactivate(id, Context { hops: 1 }).await)
    }

    async fn drain(&self, to: &Member, _: Duration) -> PeerResult<usize> {
        let context = Context { hops: 1 };
        let drained = self.router(to)?.drain(to.node.as_str(), context).await;
        Ok(drained.map(|(_, left)| left))
    }

    async fn active(&self, to: &Member, query: &Query, _: Duration) -> PeerResult<Page> {
        let context = Context { hops: 1 };
        Ok(self.router(to)?.list(query, context).await.map(|listing| listing.page))
    }

    async fn progress(
        &self,
        to: &Member,
        name: &TypeName,
        query: ProgressQuery,
        _: Duration,
    ) -> PeerResult<Progress> {
        Ok(Ok(self.router(to)?.node().progress(name, query).await))
    }

    async fn rehearse(
        &self,
        to: &Member,
        _: &TypeName,
        staged: &Staged,
        ids: &[ObjectId],
        _: Duration,
    ) -> PeerResult<Rehearsed> {
        Ok(self.router(to)?.node().rehearse(staged, ids.to_vec()).await)
    }

    async fn active_count(&self, to: &Member, _: Duration) -> PeerResult<usize> {
        Ok(Ok(self.router(to)?.node().active_count()))
    }
}

/// A cluster, initially without nodes.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) directory: Directory,
    pub(crate) store: Arc<Memory>,
    pub(crate) nearby: Nearby,
}

/// One node of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) node: Arc<Node>,
    pub(crate) router: Arc<Router>,
    pub(crate) session: Arc<Counting>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let store = Arc::new(Memory::new());
        Self { directory: Directory::new(), store, nearby: Nearby::default() }
    }

    /// Starts nodes of these names, and returns when each knows all of them.
    pub(crate) async fn of(names: &[&str]) -> (Self, Vec<Place>) {
        let cluster = Self::new();
        let places: Vec<_> = join_all(names.iter().map(|name| cluster.join(name))).await;
        for place in &places {
            members_until(&*place.session, |members| members.iter().count() == names.len()).await;
        }
        (cluster, places)
    }

    /// As [`of`](Self::of), with the type `counter` deployed.
    pub(crate) async fn with_counters(names: &[&str]) -> (Self, Vec<Place>) {
        let (cluster, places) = Self::of(names).await;
        cluster.deploy(&places[0]).await;
        (cluster, places)
    }

    /// Adds a node that is reached within this process.
    pub(crate) async fn join(&self, name: &str) -> Place {
        self.join_at(name, "", Arc::new(self.nearby.clone())).await
    }

    /// Adds a node that reaches the others through `peers`, and listens at `address`.
    pub(crate) async fn join_at(&self, name: &str, address: &str, peers: Arc<dyn Peers>) -> Place {
        let session = self.directory.join_at(NodeId::new(name), address);
        let session = Arc::new(Counting { session, claims: AtomicU64::new(0) });
        let sessions = Arc::new(OneSession(Arc::clone(&session)));
        let router = self.start(sessions, peers, &Config::default());
        let node = Arc::clone(router.node());
        node.joined().await;
        let id = session.node().clone();
        self.nearby.routers.lock().insert(id, Arc::clone(&router));
        Place { node, router, session }
    }

    /// Creates a node that never has a session.
    pub(crate) fn outsider(&self) -> Arc<Router> {
        self.start(Arc::new(NoSession), Arc::new(self.nearby.clone()), &Config::default())
    }

    fn start(
        &self,
        sessions: Arc<dyn Sessions>,
        peers: Arc<dyn Peers>,
        config: &Config,
    ) -> Arc<Router> {
        let ports = Ports {
            sessions,
            store: Arc::clone(&self.store) as Arc<_>,
            engine: Arc::new(FakeEngine::new()),
        };
        let node = node::Config {
            mailbox_len: 4,
            fault_max: 100,
            resident_max: 16,
            activation_rate: Some(10_000),
            ..node::Config::default()
        };
        Router::start(ports, &node, peers, config)
    }

    /// Deploys the type `counter`.
    pub(crate) async fn deploy(&self, place: &Place) {
        place
            .node
            .deploy(Bytes::from_static(b"scripted:counter"), &DeployOptions::default())
            .await
            .unwrap();
    }

    /// Returns a new counter that placement assigns to the node with this name.
    pub(crate) fn counter_at(&self, name: &str, salt: &str) -> ObjectId {
        let session = self.directory.join_at(NodeId::new("probe"), "");
        let members = session.members();
        drop(session);
        let id = (0..10_000).map(|n| counter(&format!("{salt}-{n}"))).find(|id| {
            let key = Granularity::Object.key_of(id);
            let first = highlander_core::placement::preferred(key, &members);
            first.is_some_and(|member| member.node.as_str() == name)
        });
        id.expect("every node owns some objects")
    }
}

/// Always opens the same session: once it has ended, there is no other.
#[derive(Debug)]
struct OneSession(Arc<Counting>);

#[async_trait]
impl Sessions for OneSession {
    async fn begin(&self) -> Result<Arc<dyn Registry>, Error> {
        Ok(Arc::clone(&self.0) as Arc<_>)
    }
}

/// Never opens a session, as if the registry did not answer.
#[derive(Debug)]
struct NoSession;

#[async_trait]
impl Sessions for NoSession {
    async fn begin(&self) -> Result<Arc<dyn Registry>, Error> {
        std::future::pending().await
    }
}
