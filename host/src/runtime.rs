//! The object runtime as a library: a node on any store, registry and engine, for programs that embed it.
//!
//! The server is one such program. A runtime owns everything that its node does, except the HTTP interface.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highlander_core::activation::{Answer, Call, Consistency, Operation, Precondition};
use highlander_core::call_context::Origin;
use highlander_core::caller::Caller;
use highlander_core::catalog::component_gc::Retention;
use highlander_core::catalog::deploy::DeployOptions;
use highlander_core::engine::Engine;
use highlander_core::error::Error;
use highlander_core::id::ObjectId;
use highlander_core::limits::CALL_TIMEOUT;
use highlander_core::registry::Sessions;
use highlander_core::store::Store;
use highlander_system::clock;

use crate::catalog::Deployed;
use crate::events::listener::Listener;
use crate::http::peers::HttpPeers;
use crate::node::{self, Node, Ports};
use crate::router::context::Context;
use crate::router::peers::Peers;
use crate::router::{self, Router};
use crate::{component_gc, rollout, wakeups};

/// Settings of a runtime.
#[derive(Debug, Clone)]
pub struct Config {
    /// Settings of the node.
    pub node: node::Config,
    /// Settings of the router.
    pub router: router::Config,
    /// Revisions whose components are kept for a roll-back.
    pub retention: Retention,
    /// Time limit of [`Runtime::call`] and [`Runtime::watch`].
    pub call_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: node::Config::default(),
            router: router::Config::default(),
            retention: Retention::default(),
            call_timeout: CALL_TIMEOUT,
        }
    }
}

/// A running node with its router and its background work.
///
/// Clones share one node, which ends when the last of them is dropped. Its objects are handed over in order only by
/// [`drain`](Self::drain) and [`shutdown`](Self::shutdown); otherwise other nodes take them over after the session
/// timeout. Nothing is lost either way.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use highlander::core::id::ObjectId;
/// use highlander::embedded::Embedded;
/// use highlander::registry::local::{Directory, LocalSessions};
/// use highlander::runtime::Runtime;
/// use highlander::wasmtime::{SandboxConfig, WasmtimeEngine};
///
/// # let guests = std::env::var("HIGHLANDER_GUESTS");
/// # let guests = guests.unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/guests").into());
/// # let folder = tempfile::tempdir()?;
/// # let (data, component) = (folder.path(), format!("{guests}/counter.wasm"));
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let runtime = Runtime::builder()
///     .store(Arc::new(Embedded::open(data)?))
///     .registry(Arc::new(LocalSessions::new(Directory::new(), "node", "127.0.0.1:7410")))
///     .engine(Arc::new(WasmtimeEngine::new(SandboxConfig::default())?))
///     .start()?;
/// runtime.deploy(std::fs::read(component)?).await?;
///
/// let counter = ObjectId::new("counter", "visits")?;
/// let mut events = runtime.watch(&counter).await?;
/// let done = runtime.call(&counter, "increment", "null").await?;
/// assert_eq!(done.version, 1);
/// assert!(events.next().await.is_ok());
/// runtime.shutdown().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Runtime {
    router: Arc<Router>,
    call_timeout: Duration,
}

impl Runtime {
    /// Returns a builder without ports.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns the router, for calls with all their terms and for requests about the cluster.
    #[must_use]
    pub fn router(&self) -> &Arc<Router> {
        &self.router
    }

    /// Returns the node.
    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        self.router.node()
    }

    /// Calls a handler of an object with an argument in JSON, wherever the object is, as an anonymous caller and
    /// without an idempotency key. For other terms, see [`Router::call`].
    ///
    /// # Errors
    /// Every [`ErrorCode`](highlander_core::error::ErrorCode) that applies to calls; see `docs/errors.md`.
    ///
    /// # Cancel safety
    /// A call that has started runs to its end; only the answer is lost.
    pub async fn call(&self, id: &ObjectId, handler: &str, argument: impl Into<Bytes>) -> Answer {
        let argument = argument.into();
        let call = self.new_call(Operation::Handle { handler: handler.into(), argument });
        self.router.call(id, call, Context::default()).await
    }

    /// Subscribes to an object's events, from its current state.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    /// If the future is dropped, the object may have been activated.
    pub async fn watch(&self, id: &ObjectId) -> Result<Listener, Box<Error>> {
        let call = self.new_call(Operation::Watch { publish_state: true });
        self.router.watch(id, call, None, Context::default()).await
    }

    /// Deploys a component with the default options, and returns when every node serves it. Its objects may call every
    /// type, because no principal bounds them.
    ///
    /// # Errors
    /// As [`rollout::deploy`], which also takes options.
    ///
    /// # Cancel safety
    /// A roll-out that has begun continues.
    pub async fn deploy(&self, wasm: impl Into<Bytes>) -> Result<Deployed, Error> {
        rollout::deploy(
            &self.router,
            wasm.into(),
            &DeployOptions::default(),
            rollout::Wait::AllNodes,
        )
        .await
    }

    /// Hands all objects over to other nodes, or unloads them if there is none, and accepts no new ones. Returns
    /// the number of objects that were still active after `timeout`.
    ///
    /// # Cancel safety
    /// The drain continues.
    pub async fn drain(&self, timeout: Duration) -> usize {
        self.node().drain(timeout).await
    }

    /// Ends the node's session, and frees all its claims. Call [`drain`](Self::drain) first, so that no call fails.
    ///
    /// # Cancel safety
    /// If the future is dropped, the session still ends, but later.
    pub async fn shutdown(self) {
        self.node().leave().await;
    }

    fn new_call(&self, operation: Operation) -> Call {
        Call {
            operation,
            caller: Caller::Anonymous,
            origin: Origin::default(),
            precondition: Precondition::None,
            key: None,
            consistency: Consistency::Lease,
            deadline: clock::now() + self.call_timeout,
        }
    }
}

/// Port that a [`Builder`] lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the runtime has no {0}: set one with Builder::{0}")]
pub struct MissingPort(&'static str);

/// Ports and settings of a [`Runtime`] that is not yet started.
#[derive(Debug, Default)]
pub struct Builder {
    store: Option<Arc<dyn Store>>,
    registry: Option<Arc<dyn Sessions>>,
    engine: Option<Arc<dyn Engine>>,
    peers: Option<Arc<dyn Peers>>,
    config: Config,
}

impl Builder {
    /// Sets the store of the records. Required.
    #[must_use]
    pub fn store(self, store: Arc<dyn Store>) -> Self {
        Self { store: Some(store), ..self }
    }

    /// Sets the registry that grants claims. Required.
    #[must_use]
    pub fn registry(self, registry: Arc<dyn Sessions>) -> Self {
        Self { registry: Some(registry), ..self }
    }

    /// Sets the engine that runs components. Required.
    #[must_use]
    pub fn engine(self, engine: Arc<dyn Engine>) -> Self {
        Self { engine: Some(engine), ..self }
    }

    /// Sets the client of the other nodes. By default it calls them over HTTP, without a token.
    #[must_use]
    pub fn peers(self, peers: Arc<dyn Peers>) -> Self {
        Self { peers: Some(peers), ..self }
    }

    /// Sets the settings.
    #[must_use]
    pub fn config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// Starts the runtime. Its first session opens in the background: see [`Node::joined`]. Until then, calls are
    /// rejected.
    ///
    /// # Errors
    /// A required port is missing.
    ///
    /// # Panics
    /// Called outside a tokio runtime.
    pub fn start(self) -> Result<Runtime, MissingPort> {
        let Config { node, router, retention, call_timeout } = self.config;
        let ports = Ports {
            sessions: self.registry.ok_or(MissingPort("registry"))?,
            store: self.store.ok_or(MissingPort("store"))?,
            engine: self.engine.ok_or(MissingPort("engine"))?,
        };
        let peers = self.peers.unwrap_or_else(|| Arc::new(HttpPeers::new()));
        let router = Router::start(ports, &node, peers, &router);
        tokio::spawn(wakeups::run(Arc::downgrade(&router)));
        tokio::spawn(rollout::run(Arc::downgrade(&router)));
        tokio::spawn(component_gc::run(Arc::downgrade(&router), retention));
        Ok(Runtime { router, call_timeout })
    }
}
