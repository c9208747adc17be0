//! All objects of this process: brings calls to them, tears down what is idle, and hands them over when it goes.
//!
//! The node knows types, objects and their whereabouts; it does not know HTTP, calls no other node, and decides nothing
//! within an object. It lives through one session with the registry after another ([`life`]).

mod departure;
mod health;
mod life;
pub mod list;
pub mod placement;
pub mod rehearsal;
mod removal;
pub mod revisions;
mod session;
mod sweep;
#[cfg(test)]
mod tests;
pub mod waking;
pub mod whereabouts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, oneshot, watch};

use crate::activation::gate::Gate;
use crate::activation::offer::{deactivate, offer};
use crate::activation::outward::{Exit, Route};
use crate::activation::protocol::Settings;
use crate::activation::residents::Residents;
use crate::activation::surroundings::Surroundings;
use crate::activation::table::Table;
use crate::activation::timers::Timers;
use crate::activation::{Answer, Call, Operation, Reason};
use crate::catalog::Catalog;
use crate::clock::BootTime;
use crate::engine::Engine;
use crate::error::{Code, Error};
use crate::events::Hub;
use crate::id::{NodeId, ObjectId, TypeName};
use crate::metrics::Metrics;
use crate::registry::{Registry, Sessions};
use crate::store::Store;
use crate::store::watched::Watched;
use revisions::Turned;
use session::Session;

/// What a node is told about its objects.
#[derive(Debug, Clone)]
pub struct Config {
    /// After how long without a call an object is torn down.
    pub idle_timeout: Duration,
    /// Calls that may wait for one object.
    pub mailbox_len: usize,
    /// Failures in a row after which an object is quarantined.
    pub fault_max: u32,
    /// Whether callers are told what code said that trapped: on the node of a developer, who wrote it.
    pub shows_traps: bool,
    /// Instances that are kept at most.
    pub resident_max: usize,
    /// Activations that may begin per second; nothing where neither registry nor store needs that.
    pub activation_rate: Option<u32>,
    /// How long the store may leave everything unanswered before the node gives its objects up.
    pub store_patience: Duration,
}

/// The adapters of a node's three ports.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Who owns what: begins the node's sessions.
    pub sessions: Arc<dyn Sessions>,
    /// Where records are.
    pub store: Arc<dyn Store>,
    /// What runs components.
    pub engine: Arc<dyn Engine>,
}

/// A running node.
///
/// # Examples
/// ```no_run
/// # use std::sync::Arc;
/// # use highlander_host::node::{Config, Node, Ports};
/// # async fn example(ports: Ports, config: Config) {
/// let node = Node::start(ports, &config);
/// node.joined().await;
/// // … bring calls with `node.call` …
/// node.drain(std::time::Duration::from_secs(10)).await;
/// node.leave().await;
/// # }
/// ```
#[derive(Debug)]
pub struct Node {
    present: watch::Sender<Option<Arc<Session>>>,
    /// The name of the present session's node, or of the last one's.
    id: watch::Sender<NodeId>,
    store: Arc<Watched>,
    catalog: Arc<Catalog>,
    gate: Arc<Gate>,
    exit: Arc<Exit>,
    timers: Arc<Timers>,
    metrics: Arc<Metrics>,
    hub: Arc<Hub>,
    config: Config,
    /// How far the objects were told of changes of their types.
    turned: Mutex<BTreeMap<TypeName, Turned>>,
    /// Types that have changed, of which the other nodes could not be told yet.
    untold: Mutex<BTreeSet<TypeName>>,
    is_draining: AtomicBool,
    is_unwell: AtomicBool,
    is_unwritable: AtomicBool,
    /// Closed when the node is gone, which its tasks watch.
    _gone: watch::Sender<()>,
}

impl Node {
    /// Starts a node on its ports. It begins its first session in the background: see [`joined`](Self::joined).
    /// Its tasks end with the last handle to it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(ports: Ports, config: &Config) -> Arc<Self> {
        let store = Arc::new(Watched::new(ports.store));
        let (alive, gone) = watch::channel(());
        let following = gone.clone();
        let catalog = Catalog::new(Arc::clone(&store) as Arc<dyn Store>, ports.engine);
        let metrics = Arc::new(Metrics::new());
        let node = Arc::new(Self {
            present: watch::Sender::new(None),
            id: watch::Sender::new(NodeId::new("no-session")),
            store,
            catalog: Arc::new(catalog),
            gate: Arc::new(Gate::new(config.activation_rate)),
            exit: Arc::default(),
            timers: Arc::default(),
            hub: Arc::new(Hub::new(Arc::clone(&metrics))),
            metrics,
            config: config.clone(),
            turned: Mutex::default(),
            untold: Mutex::default(),
            is_draining: AtomicBool::new(false),
            is_unwell: AtomicBool::new(false),
            is_unwritable: AtomicBool::new(false),
            _gone: alive,
        });
        tokio::spawn(life::run(Arc::downgrade(&node), ports.sessions, gone));
        tokio::spawn(revisions::follow(Arc::downgrade(&node), following));
        tokio::spawn(sweep::run(Arc::downgrade(&node), config.idle_timeout));
        tokio::spawn(health::run(Arc::downgrade(&node), config.store_patience));
        node
    }

    /// Lets objects call others by this way. Without one they call nobody.
    pub fn open_exit(&self, route: Weak<dyn Route>) {
        self.exit.open(route);
    }

    /// When alarms of the node's objects are due.
    #[must_use]
    pub fn timers(&self) -> &Arc<Timers> {
        &self.timers
    }

    /// Waits until the node has a session.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn joined(&self) {
        // The sender is this node's own, so that the channel is open.
        let _ = self.present.subscribe().wait_for(Option::is_some).await;
    }

    /// Goes on under a new session.
    fn enter(&self, registry: Arc<dyn Registry>) -> Arc<Session> {
        let node = registry.node().clone();
        let resident_max = self.config.resident_max;
        let session = Arc::new(Session::new(Arc::new(Surroundings {
            registry,
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            catalog: Arc::clone(&self.catalog),
            table: Table::new(),
            residents: Residents::new(resident_max, Arc::clone(&self.metrics)),
            gate: Arc::clone(&self.gate),
            settings: Settings {
                node: node.clone(),
                mailbox_len: self.config.mailbox_len,
                fault_max: self.config.fault_max,
                shows_traps: self.config.shows_traps,
            },
            hub: Arc::clone(&self.hub),
            metrics: Arc::clone(&self.metrics),
            exit: Arc::clone(&self.exit),
            // The others are for what these wait for.
            calls_out: Semaphore::new((resident_max / 2).max(1)),
            timers: Arc::clone(&self.timers),
            probe_ended: Notify::new(),
        })));
        tracing::info!(%node, "a session has begun");
        self.metrics.sessions.inc();
        self.id.send_replace(node);
        // Before anything is activated: what changed while there was no session was told to nobody here.
        self.catalog.doubt();
        self.present.send_replace(Some(Arc::clone(&session)));
        session
    }

    /// The session is over: nothing is taken until the next one.
    fn exit(&self) {
        self.present.send_replace(None);
    }

    fn turned(&self) -> MutexGuard<'_, BTreeMap<TypeName, Turned>> {
        // What is behind the lock is whole at every moment.
        self.turned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn present(&self) -> Option<Arc<Session>> {
        self.present.borrow().clone()
    }

    /// The node's present session with the registry, if it has one.
    #[must_use]
    pub fn session(&self) -> Option<Arc<dyn Registry>> {
        Some(Arc::clone(&self.present()?.around.registry))
    }

    /// Ends the session in order: all claims are free at its end.
    ///
    /// # Cancel safety
    /// The session ends all the same, later.
    pub async fn leave(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
        if let Some(registry) = self.session() {
            registry.leave().await;
        }
    }

    /// Brings one call to its object and waits for the answer.
    ///
    /// # Errors
    /// Every [`Code`] that says something of a call; `docs/errors.md` has them.
    ///
    /// # Cancel safety
    /// A call that was begun runs to its end; only the answer is lost.
    pub async fn call(&self, id: &ObjectId, call: Call) -> Answer {
        let arrived = BootTime::now();
        let answer = self.bring(id, call).await;
        let metrics = &self.metrics;
        match &answer {
            Ok(_) => metrics.calls_done.inc(),
            Err(error) => metrics.calls.with_label_values(&[error.code.as_str()]).inc(),
        }
        metrics.call_seconds.observe(BootTime::now().since(arrived).as_secs_f64());
        answer
    }

    async fn bring(&self, id: &ObjectId, mut call: Call) -> Answer {
        // Found before anything is claimed, so that calls to types that do not exist cost nothing.
        self.catalog.know(id.type_name()).await.map_err(Box::new)?;
        if let Operation::Watch { shows_state } = &mut call.operation {
            let revision = Box::pin(self.catalog.current(id.type_name())).await;
            *shows_state &= revision.map_err(Box::new)?.description.shows_state;
        }
        self.check_writable(id, &call.operation).await?;
        let session = self.present().ok_or_else(|| no_session(id))?;
        let (caller, answer) = oneshot::channel();
        let mut pending = (call, caller);
        loop {
            let cell = match session.around.table.get(id) {
                Some(cell) => cell,
                None => {
                    self.admit(&session, id)?;
                    session.around.table.enter(id)
                }
            };
            match offer(&cell, pending.0, pending.1, &session.around).await {
                None => break,
                Some(returned) => pending = returned,
            }
            // The entry is being taken out of the table by another thread.
            tokio::task::yield_now().await;
        }
        answer.await.unwrap_or_else(|_| {
            let text = format!("the task of {id} ended before it could answer");
            Err(Box::new(Error::new(Code::OutcomeUnknown, text)))
        })
    }

    /// Whether an object that is not active here may become so.
    fn admit(&self, session: &Session, id: &ObjectId) -> Result<(), Box<Error>> {
        let (code, why) = if self.is_draining() {
            (Code::Draining, "this node hands its objects over")
        } else if session.is_leaving(id) {
            (Code::Draining, "it is being handed over to another node")
        } else if self.is_unwell() {
            (Code::StoreUnavailable, "the store has not answered this node for some time")
        } else {
            return Ok(());
        };
        Err(Box::new(Error::new(code, format!("{id} was not called: {why}"))))
    }

    /// Whether the object is active here, or on its way there.
    #[must_use]
    pub fn is_active(&self, id: &ObjectId) -> bool {
        self.present().is_some_and(|session| session.around.table.get(id).is_some())
    }

    /// Unloads an object from memory, after what is under way. `false` where it was not active.
    ///
    /// # Cancel safety
    /// The object ends all the same.
    pub async fn deactivate(&self, id: &ObjectId) -> bool {
        let Some(session) = self.present() else { return false };
        let Some(cell) = session.around.table.get(id) else { return false };
        let ended_before = cell.ended();
        until(|| {
            let is_over = cell.ended() != ended_before;
            if !is_over {
                deactivate(&cell, Reason::Requested, &session.around);
            }
            is_over
        })
        .await;
        true
    }

    /// Whether the node hands its objects over.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// The node's name under its present session, or its last one.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id.borrow().clone()
    }

    /// The types and their revisions.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What the node counts.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Who watches which object by this node.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// How many objects are active on this node.
    #[must_use]
    pub fn active_count(&self) -> usize {
        self.present().map_or(0, |session| session.around.table.len())
    }

    /// What the node counts, as Prometheus reads it.
    #[must_use]
    pub fn render_metrics(&self) -> String {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.active_objects.set(gauge(self.active_count()));
        let session = self.session();
        let claim_count = session.as_ref().map_or(0, |session| session.claim_count());
        self.metrics.claims.set(gauge(claim_count));
        let lease = session.map_or(Duration::ZERO, |session| {
            session.lease_until().since(BootTime::now()).min(Duration::from_hours(1))
        });
        self.metrics.lease_seconds.set(lease.as_secs_f64());
        self.metrics.ready.set(i64::from(self.readiness().is_ok()));
        self.metrics.render()
    }
}

fn no_session(id: &ObjectId) -> Box<Error> {
    let text = format!("{id} was not called: this node has no session with the registry");
    Box::new(Error::new(Code::RegistryUnavailable, text))
}

/// Looks at `condition` again and again, at growing pauses, until it holds.
async fn until(mut condition: impl FnMut() -> bool) {
    let mut pause = Duration::from_millis(1);
    while !condition() {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
