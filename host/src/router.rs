//! Routes calls to the owners of their objects, anywhere in the cluster.
//!
//! A call to an object that is active here stays on this node. For other objects, the router uses the cached
//! owner, or else the node that placement prefers, and forwards the call before any node claims the object. A call
//! to a cold object therefore costs one claim and one read, whichever node receives it. A node that is not the
//! owner replies with the owner that it last saw, and the cache is corrected. `policy` holds the routing policy
//! without side effects, and this module carries it out. The router never queries the registry while it routes a
//! call.

mod admin;
mod config;
pub mod context;
pub mod listing;
pub mod membership;
mod owner_cache;
mod peer_limits;
pub mod peers;
pub mod rollout;
mod subscriptions;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use highlander_core::activation::{Answer, Call, Operation};
use highlander_core::engine::HandlerKind;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{NodeId, ObjectId};
use highlander_core::registry::claims::{ClaimKey, Granularity};
use highlander_core::registry::members::{Member, Members};
use highlander_core::routing::{self, ArrivedCall, Attempt, Hop, NextHop, RouteContext, RoutePlan};
use highlander_system::clock;
use parking_lot::Mutex;
use rand::RngExt as _;
use tokio::sync::Semaphore;

use crate::activation::route::ObjectCaller;
use crate::node::{self, Node, Ports};
pub use admin::NodeReport;
pub use config::Config;
use context::Context;
use owner_cache::OwnerCache;
use peer_limits::PeerLimits;
use peers::{Failure, Peers, RoutedAnswer};

/// This node's view of its cluster.
#[derive(Debug, Clone)]
struct ClusterView {
    me: NodeId,
    members: Members,
    granularity: Granularity,
}

/// A call while it is routed.
#[derive(Debug, Clone, Copy)]
struct RoutedCall<'a> {
    id: &'a ObjectId,
    key: ClaimKey,
    call: &'a Call,
    context: Context,
}

/// Routes calls to the owners of their objects.
#[derive(Debug)]
pub struct Router {
    node: Arc<Node>,
    peers: Arc<dyn Peers>,
    owners: OwnerCache,
    peer_limits: PeerLimits,
    waiting: Semaphore,
    /// View of the last session, for the time between two sessions.
    last_view: Mutex<ClusterView>,
}

impl Router {
    /// Starts a node and its router, which carries the calls of the node's objects and reaches the other nodes through
    /// `peers`. Both end when the last handle of the router is dropped.
    ///
    /// # Panics
    /// Called outside a tokio runtime.
    #[must_use]
    pub fn start(
        ports: Ports,
        node: &node::Config,
        peers: Arc<dyn Peers>,
        config: &Config,
    ) -> Arc<Self> {
        Arc::new_cyclic(|router: &Weak<Self>| {
            let route = Weak::clone(router) as Weak<dyn ObjectCaller>;
            Self::new(Node::start(ports, node, Some(route)), peers, config)
        })
    }

    fn new(node: Arc<Node>, peers: Arc<dyn Peers>, config: &Config) -> Self {
        let known = ClusterView {
            me: node.id(),
            members: Members::default(),
            granularity: Granularity::Object,
        };
        Self {
            node,
            peers,
            owners: OwnerCache::new(config.owner_cache_len),
            peer_limits: PeerLimits::new(config.calls_per_peer, config.peer_permit_wait),
            waiting: Semaphore::new(config.waiting_max),
            last_view: Mutex::new(known),
        }
    }

    /// Returns the node of this router.
    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Routes a call to its object, here or on another node, and waits for the answer.
    ///
    /// # Errors
    /// The errors of [`Node::call`], after every attempt that the call's deadline permits.
    ///
    /// # Cancel safety
    /// A call that has started runs to its end; only the answer is lost.
    pub async fn call(&self, id: &ObjectId, call: Call, context: Context) -> Answer {
        self.route(id, &call, context).await.answer
    }

    /// Does the same as [`call`](Self::call), and also returns the node that gave the answer.
    ///
    /// # Cancel safety
    /// A call that has started runs to its end; only the answer is lost.
    pub async fn route(&self, id: &ObjectId, call: &Call, context: Context) -> RoutedAnswer {
        if !self.node.is_active(id) {
            return Box::pin(self.route_with_retries(id, call, context, None)).await;
        }
        match self.node.call(id, call.clone()).await {
            Err(error) if routing::is_worth_another_try(&error) => {
                Box::pin(self.route_with_retries(id, call, context, Some(error))).await
            }
            answer => RoutedAnswer::here(answer),
        }
    }

    /// Attempts a call until it has an answer. `refusal` is the error of this node, if the object is active here.
    async fn route_with_retries(
        &self,
        id: &ObjectId,
        call: &Call,
        context: Context,
        refusal: Option<Box<Error>>,
    ) -> RoutedAnswer {
        let mut known = self.cluster_view();
        let key = known.granularity.key_of(id);
        let trip = RoutedCall { id, key, call, context };
        let remembered = self.remembered(key, &known.members);
        let arrived = ArrivedCall {
            id: id.clone(),
            key,
            hops: context.hops,
            deadline: call.deadline,
            is_keyed: call.key.is_some(),
        };
        let mut course = RoutePlan::new(arrived, remembered);
        let mut refusal = refusal;
        loop {
            let view = RouteContext {
                me: &known.me,
                members: &known.members,
                is_active: refusal.is_some() || self.node.is_active(id),
                now: clock::now(),
                random: rand::rng().random(),
            };
            match course.next(view) {
                NextHop::Here => {
                    let answer = match refusal.take() {
                        Some(error) => Err(error),
                        None => self.node.call(id, call.clone()).await,
                    };
                    self.update_owner_cache(key, &known.me, &answer, None);
                    if let Some(answer) =
                        course.take(&known.me, Hop::Here, Attempt::Answered(answer))
                    {
                        return RoutedAnswer::here(answer);
                    }
                }
                NextHop::Forward(member) => {
                    let (came, owner) = self.forward(&member, &known.members, trip).await;
                    if let Some(answer) = course.take(&member.node, Hop::Forwarded, came) {
                        return RoutedAnswer { answer, owner: owner.or(Some(member.node)) };
                    }
                }
                NextHop::Pause(span) => {
                    if !self.wait(span).await {
                        return RoutedAnswer::here(Err(course.give_up()));
                    }
                }
                NextHop::Answer(error) => return RoutedAnswer::here(Err(error)),
            }
            known = self.cluster_view();
        }
    }

    /// Forwards a call to another node. Returns the result, and the node that executed it if that is a third one.
    async fn forward(
        &self,
        member: &Member,
        members: &Members,
        trip: RoutedCall<'_>,
    ) -> (Attempt, Option<NodeId>) {
        let RoutedCall { id, key, call, context } = trip;
        let metrics = self.node.metrics();
        let Some(place) = self.peer_limits.take(&member.node, members).await else {
            self.count("no-place");
            return (Attempt::AtCapacity, None);
        };
        let sent = clock::now();
        let answer = tokio::select! {
            biased;
            answer = self.peers.call(member, id, call, context.forwarded()) => answer,
            () = self.peer_left(&member.node) => {
                Err(Failure::Interrupted("left the cluster before it responded".to_owned()))
            }
        };
        drop(place);
        metrics.forward_seconds.observe(clock::now().since(sent).as_secs_f64());
        match answer {
            Ok(RoutedAnswer { answer, owner }) => {
                match &answer {
                    Ok(_) => metrics.forwards_done.inc(),
                    Err(error) => self.count(error.code.as_str()),
                }
                self.update_owner_cache(key, &member.node, &answer, owner.as_ref());
                (Attempt::Answered(answer), owner)
            }
            Err(failure) => {
                self.owners.forget(key, &member.node);
                tracing::debug!(object = %id, node = %member.node, %failure, "a call got no response");
                (self.failed(failure, id, &call.operation).await, None)
            }
        }
    }

    async fn failed(&self, failure: Failure, id: &ObjectId, operation: &Operation) -> Attempt {
        match failure {
            Failure::NotSent(why) => {
                self.count("not-sent");
                Attempt::NotSent(why)
            }
            Failure::Interrupted(why) => {
                self.count("interrupted");
                Attempt::Interrupted { why, is_query: self.is_query(id, operation).await }
            }
        }
    }

    fn count(&self, outcome: &str) {
        self.node.metrics().forwards.with_label_values(&[outcome]).inc();
    }

    /// Returns whether an operation is read-only; `false` if the object's type is unavailable.
    async fn is_query(&self, id: &ObjectId, operation: &Operation) -> bool {
        let handler = match operation {
            Operation::Handle { handler, .. } => handler,
            // Waking an object twice has the same effect as waking it once.
            Operation::Wake | Operation::ShowEffects | Operation::Watch { .. } => return true,
            Operation::Query { .. } => return true,
            Operation::Delete
            | Operation::Resume
            | Operation::DeadLetters { .. }
            | Operation::FailedAlarms { .. } => return false,
        };
        let Ok(revision) = self.node.catalog().current(id.type_name()).await else { return false };
        let handlers = &revision.description.handlers;
        let found = handlers.iter().find(|known| known.name == **handler);
        found.map_or(&**handler == "get", |known| known.kind == HandlerKind::Query)
    }

    /// Updates the owner cache from the answer of `asked`.
    fn update_owner_cache(
        &self,
        key: ClaimKey,
        asked: &NodeId,
        answer: &Answer,
        done_at: Option<&NodeId>,
    ) {
        match answer {
            // Objects that this node owns are found in its own table.
            Ok(_) if *asked == self.last_view.lock().me => {}
            Ok(_) => self.owners.put(key, done_at.unwrap_or(asked).clone()),
            Err(error) => match (error.code, &error.owner) {
                (ErrorCode::NotOwner, Some(owner)) if owner != asked => {
                    self.owners.put(key, owner.clone());
                }
                (ErrorCode::NotOwner | ErrorCode::Draining | ErrorCode::RegistryUnavailable, _) => {
                    self.owners.forget(key, asked);
                }
                _ => {}
            },
        }
    }

    fn remembered(&self, key: ClaimKey, members: &Members) -> Option<NodeId> {
        let owner = self.owners.get(key);
        // A node that has left the cluster owns nothing.
        let (alive, dead) = match owner {
            Some(owner) if members.find(&owner).is_some() => (Some(owner), None),
            owner => (None, owner),
        };
        if let Some(dead) = dead {
            self.owners.forget(key, &dead);
        }
        let metrics = self.node.metrics();
        let counter = match alive {
            Some(_) => &metrics.owner_cache_hits,
            None => &metrics.owner_cache_misses,
        };
        counter.inc();
        alive
    }

    /// Waits for `span` or until the members change. Returns `false` if too many calls wait already.
    async fn wait(&self, span: Duration) -> bool {
        let Ok(_place) = self.waiting.try_acquire() else { return false };
        self.node.metrics().route_pauses.inc();
        let session = self.node.session();
        let change = async {
            match session {
                Some(session) => session.members_changed(&session.members()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(span) => {}
            () = change => {}
        }
        true
    }

    /// Returns once `node` has left the members after it was one of them: it will not answer.
    async fn peer_left(&self, node: &NodeId) {
        let Some(session) = self.node.session() else { return std::future::pending().await };
        let mut was_there = false;
        loop {
            let members = session.members();
            let is_there = members.find(node).is_some();
            if was_there && !is_there {
                return;
            }
            was_there |= is_there;
            session.members_changed(&members).await;
        }
    }

    /// Returns this node's view of its cluster: that of its session, or of the previous one.
    fn cluster_view(&self) -> ClusterView {
        let present = self.node.session().map(|session| ClusterView {
            me: session.node().clone(),
            members: session.members(),
            granularity: session.granularity(),
        });
        let mut known = self.last_view.lock();
        if let Some(present) = present {
            *known = present;
        }
        known.clone()
    }
}

#[async_trait]
impl ObjectCaller for Router {
    async fn call(&self, id: &ObjectId, call: Call) -> Answer {
        self.call(id, call, Context::default()).await
    }

    async fn waits_for(&self, id: &ObjectId) -> Option<ObjectId> {
        if self.node.is_active(id) {
            return self.node.waits_for(id);
        }
        self.locate(id, Context::default()).await.ok()?.waits_for
    }
}
