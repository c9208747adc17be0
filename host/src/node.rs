//! All objects of this process: dispatches calls, unloads idle objects, and hands objects over when the node
//! stops.
//!
//! A node passes through a sequence of registry sessions ([`session_loop`]). Activations belong to one session and end
//! with it.

mod config;
mod drain;
mod evictor;
mod health;
mod idle_reaper;
pub mod list;
pub mod locate;
mod metrics;
mod quotas;
pub mod rehearsal;
mod removal;
pub mod rollout;
mod session;
mod session_loop;
#[cfg(test)]
mod tests;
pub mod wakeup_index;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use highlander_core::activation::protocol::Settings;
use highlander_core::activation::{Answer, Call, Operation, Reason};
use highlander_core::engine::Engine;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{NodeId, ObjectId, TypeName};
use highlander_core::memory::MemoryTotal;
use highlander_core::registry::{Registry, Sessions};
use highlander_core::store::Store;
use highlander_system::clock;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, oneshot, watch};

use crate::activation::alarm_timers::Timers;
use crate::activation::context::SessionContext;
use crate::activation::dispatch::{deactivate, submit};
use crate::activation::instance_cache::InstanceCache;
use crate::activation::rate_limit::ActivationLimiter;
use crate::activation::route::{ObjectCaller, OutboundPort};
use crate::activation::state_memory::StateMemory;
use crate::activation::table::Table;
use crate::catalog::Catalog;
use crate::events::Hub;
use crate::lane::Lane;
use crate::metrics::Metrics;
use crate::pump::Pump;
use crate::store::health::HealthTrackingStore;
pub use config::Config;
use quotas::Quotas;
pub use quotas::Rates;
use session::Session;

/// Objects that the node wakes at once because of their alarms.
const ALARM_PLACES: usize = 64;
/// Messages that the node delivers at once.
const DELIVERY_PLACES: usize = 1_024;

/// Adapters of a node's three ports.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Opens the node's sessions with the registry.
    pub sessions: Arc<dyn Sessions>,
    /// Holds the records.
    pub store: Arc<dyn Store>,
    /// Runs components.
    pub engine: Arc<dyn Engine>,
}

/// A running node.
///
/// # Examples
/// ```no_run
/// # use std::sync::Arc;
/// # use highlander::node::{Config, Node, Ports};
/// # async fn example(ports: Ports, config: Config) {
/// let node = Node::start(ports, &config, None);
/// node.joined().await;
/// // … dispatch calls with `node.call` …
/// node.drain(std::time::Duration::from_secs(10)).await;
/// node.leave().await;
/// # }
/// ```
#[derive(Debug)]
pub struct Node {
    present: watch::Sender<Option<Arc<Session>>>,
    /// Name of the node in its current session, or in the previous one.
    id: watch::Sender<NodeId>,
    store: Arc<HealthTrackingStore>,
    catalog: Arc<Catalog>,
    gate: Arc<ActivationLimiter>,
    outbound: Arc<OutboundPort>,
    timers: Arc<Timers>,
    /// Wakes objects whose alarms are due.
    alarms: Arc<Pump>,
    deliveries: Arc<Pump>,
    metrics: Arc<Metrics>,
    memory: Arc<MemoryTotal>,
    lane: Arc<Lane>,
    quotas: Quotas,
    hub: Arc<Hub>,
    config: Config,
    /// Changed types whose notification of the other nodes is pending.
    untold: Mutex<BTreeSet<TypeName>>,
    is_draining: AtomicBool,
    is_unhealthy: AtomicBool,
    is_unwritable: AtomicBool,
    /// Closed when the node is dropped, which ends its tasks.
    _gone: watch::Sender<()>,
}

impl Node {
    /// Starts a node on its ports. The first session opens in the background: see [`joined`](Self::joined). The
    /// node's tasks end when its last handle is dropped. `route` carries calls between objects; without it, objects
    /// cannot call others.
    ///
    /// # Panics
    /// Called outside a tokio runtime, or the system allows no threads for guests.
    #[must_use]
    pub fn start(
        ports: Ports,
        config: &Config,
        route: Option<Weak<dyn ObjectCaller>>,
    ) -> Arc<Self> {
        let store = Arc::new(HealthTrackingStore::new(ports.store));
        let (alive, gone) = watch::channel(());
        let (following, evicting) = (gone.clone(), gone.clone());
        let memory = Arc::clone(ports.engine.memory());
        let metrics = Arc::new(Metrics::new());
        let lane = Arc::new(Lane::start(config.guest_threads, Arc::clone(&metrics)));
        let catalog = Catalog::new(Arc::clone(&store) as Arc<dyn Store>, ports.engine)
            .with_may_call(config.may_call.clone())
            .with_shares(Arc::clone(&lane), config.weights.clone());
        let node = Arc::new(Self {
            present: watch::Sender::new(None),
            id: watch::Sender::new(NodeId::new("no-session")),
            store,
            catalog: Arc::new(catalog),
            gate: Arc::new(ActivationLimiter::new(config.activation_rate)),
            outbound: Arc::new(OutboundPort::new(route)),
            timers: Arc::default(),
            alarms: Pump::new(ALARM_PLACES),
            deliveries: Pump::new(DELIVERY_PLACES),
            hub: Arc::new(Hub::new(Arc::clone(&metrics))),
            metrics,
            memory: Arc::clone(&memory),
            lane,
            quotas: Quotas::new(&config.rates),
            config: config.clone(),
            untold: Mutex::default(),
            is_draining: AtomicBool::new(false),
            is_unhealthy: AtomicBool::new(false),
            is_unwritable: AtomicBool::new(false),
            _gone: alive,
        });
        tokio::spawn(session_loop::run(Arc::downgrade(&node), ports.sessions, gone));
        tokio::spawn(rollout::follow(Arc::downgrade(&node), following));
        tokio::spawn(evictor::run(Arc::downgrade(&node), memory, evicting));
        tokio::spawn(idle_reaper::run(Arc::downgrade(&node), config.idle_timeout));
        tokio::spawn(health::run(Arc::downgrade(&node), config.store_unavailable_timeout));
        node
    }

    /// Returns the due times of the alarms of this node's objects.
    #[must_use]
    pub fn timers(&self) -> &Arc<Timers> {
        &self.timers
    }

    /// Returns the pump that wakes objects whose alarms are due.
    #[must_use]
    pub fn alarms(&self) -> &Arc<Pump> {
        &self.alarms
    }

    /// Waits until the node has a session.
    pub async fn joined(&self) {
        // The wait cannot fail, because `self` owns the sender.
        let _ = self.present.subscribe().wait_for(Option::is_some).await;
    }

    /// Starts a new session.
    fn begin_session(&self, registry: Arc<dyn Registry>) -> Arc<Session> {
        let node = registry.node().clone();
        let resident_max = self.config.resident_max;
        let session = Arc::new(Session::new(Arc::new(SessionContext {
            registry,
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            catalog: Arc::clone(&self.catalog),
            table: Table::new(),
            instances: InstanceCache::new(
                resident_max,
                Arc::clone(&self.memory),
                Arc::clone(&self.metrics),
            ),
            states: StateMemory::new(Arc::clone(&self.memory)),
            activation_limiter: Arc::clone(&self.gate),
            lane: Arc::clone(&self.lane),
            settings: Settings {
                node: node.clone(),
                mailbox_len: self.config.mailbox_len,
                fault_max: self.config.fault_max,
                shows_traps: self.config.shows_traps,
            },
            hub: Arc::clone(&self.hub),
            metrics: Arc::clone(&self.metrics),
            outbound: Arc::clone(&self.outbound),
            // The other half is reserved for the objects that these calls wait for.
            calls_out: Semaphore::new((resident_max / 2).max(1)),
            deliveries: Arc::clone(&self.deliveries),
            alarm_timers: Arc::clone(&self.timers),
            probe_ended: Notify::new(),
        })));
        tracing::info!(%node, "a session with the registry has started");
        self.metrics.sessions.inc();
        self.id.send_replace(node);
        // Before any activation: this node received no notifications of changes while it had no session.
        self.catalog.invalidate();
        self.present.send_replace(Some(Arc::clone(&session)));
        session
    }

    /// Ends the current session. The node accepts no calls until the next one starts.
    fn end_session(&self) {
        self.present.send_replace(None);
    }

    fn current_session(&self) -> Option<Arc<Session>> {
        self.present.borrow().clone()
    }

    /// Returns the node's current session with the registry, if any.
    #[must_use]
    pub fn session(&self) -> Option<Arc<dyn Registry>> {
        Some(Arc::clone(&self.current_session()?.ctx.registry))
    }

    /// Closes the session and frees all its claims.
    ///
    /// # Cancel safety
    /// If the future is dropped, the session still ends, but later.
    pub async fn leave(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
        if let Some(registry) = self.session() {
            registry.leave().await;
        }
    }

    /// Dispatches one call to its object and waits for the answer.
    ///
    /// # Errors
    /// Every [`ErrorCode`] that applies to calls; see `docs/errors.md`.
    ///
    /// # Cancel safety
    /// A call that has started runs to its end; only the answer is lost.
    pub async fn call(&self, id: &ObjectId, call: Call) -> Answer {
        let arrived = clock::now();
        let answer = self.dispatch(id, call).await;
        let metrics = &self.metrics;
        match &answer {
            Ok(_) => metrics.calls_done.inc(),
            Err(error) => metrics.calls.with_label_values(&[error.code.as_str()]).inc(),
        }
        metrics.call_seconds.observe(clock::now().since(arrived).as_secs_f64());
        answer
    }

    async fn dispatch(&self, id: &ObjectId, mut call: Call) -> Answer {
        self.quotas.check(id, &call, clock::now())?;
        // Checked before a claim is requested, so that calls to unknown types cost nothing.
        self.catalog.ensure_loaded(id.type_name()).await.map_err(Box::new)?;
        if let Operation::Watch { publish_state } = &mut call.operation {
            let revision = Box::pin(self.catalog.current(id.type_name())).await;
            *publish_state &= revision.map_err(Box::new)?.description.publish_state;
        }
        self.check_writable(id, &call.operation).await?;
        let session = self.current_session().ok_or_else(|| no_session(id))?;
        let (caller, answer) = oneshot::channel();
        let mut pending = (call, caller);
        loop {
            let slot = match session.ctx.table.get(id) {
                Some(slot) => slot,
                None => {
                    self.admit(&session, id)?;
                    session.ctx.table.enter(id)
                }
            };
            match submit(&slot, pending.0, pending.1, &session.ctx).await {
                None => break,
                Some(returned) => pending = returned,
            }
            // Another thread is removing the entry from the table.
            tokio::task::yield_now().await;
        }
        answer.await.unwrap_or_else(|_| {
            let text = format!("the task of {id} ended before it returned a result");
            Err(Box::new(Error::new(ErrorCode::OutcomeUnknown, text)))
        })
    }

    /// Rejects the activation of an object that this node must not activate now.
    fn admit(&self, session: &Session, id: &ObjectId) -> Result<(), Box<Error>> {
        let (code, why) = if self.is_draining() {
            (ErrorCode::Draining, "this node is handing over its objects")
        } else if session.is_leaving(id) {
            (ErrorCode::Draining, "the object is being handed over to another node")
        } else if self.is_unhealthy() {
            (ErrorCode::StoreUnavailable, "the store has not responded to this node for some time")
        } else {
            return Ok(());
        };
        Err(Box::new(Error::new(code, format!("the call to {id} was not executed: {why}"))))
    }

    /// Whether the object is active here, or is being activated.
    #[must_use]
    pub fn is_active(&self, id: &ObjectId) -> bool {
        self.current_session().is_some_and(|session| session.ctx.table.get(id).is_some())
    }

    /// Deactivates an object after its work in progress. Returns `false` if it was not active.
    ///
    /// # Cancel safety
    /// If the future is dropped, the object is still deactivated.
    pub async fn deactivate(&self, id: &ObjectId) -> bool {
        let Some(session) = self.current_session() else { return false };
        let Some(slot) = session.ctx.table.get(id) else { return false };
        let ended_before = slot.activations_ended();
        until(|| {
            let is_over = slot.activations_ended() != ended_before;
            if !is_over {
                deactivate(&slot, Reason::Requested, &session.ctx);
            }
            is_over
        })
        .await;
        true
    }

    /// Whether the node is handing its objects over.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// Returns the node's name in its current session, or in the previous one.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id.borrow().clone()
    }

    /// Returns the catalog of types and revisions.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Returns the node's metrics.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Returns the count of the node's memory.
    #[must_use]
    pub fn memory(&self) -> &Arc<MemoryTotal> {
        &self.memory
    }

    /// Returns the hub of the subscriptions on this node.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }
}

fn no_session(id: &ObjectId) -> Box<Error> {
    let text =
        format!("the call to {id} was not executed: this node has no session with the registry");
    Box::new(Error::new(ErrorCode::RegistryUnavailable, text))
}

/// Polls `condition` with growing pauses until it holds.
async fn until(mut condition: impl FnMut() -> bool) {
    let mut pause = Duration::from_millis(1);
    while !condition() {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
