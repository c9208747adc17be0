//! A node as a process: opens its ports, serves HTTP, and shuts down gracefully.
//!
//! All components are wired here and nowhere else.

mod adapters;
#[cfg(feature = "zookeeper")]
mod records;
mod rlimit;
mod session_gate;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use highlander_core::catalog::component_gc::Retention;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::adapters::Opened;
use self::session_gate::SessionGate;
use crate::cli::output;
use crate::config::backends::RegistryKind;
use crate::config::{self, Config};
use crate::http::auth::Authorizer;
use crate::http::peers::HttpPeers;
use crate::http::server::{self, Server, Stage};
use crate::http::{self, Api};
use crate::node;
use crate::runtime::{self, Runtime};
use crate::telemetry;

/// Maximum time for releasing objects on a standalone node.
const DRAIN_TIMEOUT_ALONE: Duration = Duration::from_secs(10);
/// Maximum time for handing objects over to other nodes, one batch after another.
const DRAIN_TIMEOUT: Duration = Duration::from_mins(1);
/// Maximum time for closing open connections afterwards.
const CLOSE_TIMEOUT_ALONE: Duration = Duration::from_secs(2);
/// The same in a cluster, where calls in flight are still forwarded to other nodes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs a node until it is signalled to stop.
///
/// # Errors
/// The reason why the node could not start, or stopped early.
pub fn run(config: Config) -> anyhow::Result<()> {
    config.check_exposure()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(config));
    // Work that still blocks a thread, such as a compilation, is abandoned.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

async fn serve(config: Config) -> anyhow::Result<()> {
    // Installed first, because a signal's default action would end the process immediately.
    let mut signals = Signals::new()?;
    // Bound before the first session begins, because the session publishes the address to the other nodes.
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let config = clamp_to_kernel_limits(config);
    rlimit::raise(config.connections_max);
    let (tokens, node_tokens) = (config.auth.tokens()?, config.auth.node_tokens()?);
    let (shown, taken) = node_tokens.map_or((None, Vec::new()), |t| (Some(t.shown), t.taken));
    let access = Arc::new(Authorizer::new(tokens, taken));
    if let Some(path) = config.auth.tokens_file.clone() {
        tokio::spawn(reread_tokens(Arc::clone(&access), path, signal(SignalKind::hangup())?));
    }
    let advertised = config.advertised(address);
    let opened = tokio::select! {
        opened = adapters::open(&config, &advertised) => opened?,
        () = signals.next() => {
            server::close_unused(listener).await;
            output::note("stopped before the node started");
            return Ok(());
        }
    };
    let Opened { ports, gate, collectors, about } = opened;
    let runtime = Runtime::builder()
        .store(ports.store)
        .registry(ports.sessions)
        .engine(ports.engine)
        .peers(Arc::new(HttpPeers::new().with_token(shown)))
        .config(runtime_config(&config))
        .start()?;
    runtime.node().metrics().add(collectors);
    runtime.node().metrics().add(telemetry::collectors());
    let api = Api::new(Arc::clone(runtime.router()), http_config(&config, address, access));
    let (stage, staged) = watch::channel(Stage::Open);
    let Timeouts { drain: timeout, close: close_timeout } = timeouts(&config);
    let serving = tokio::spawn(Server::new(api, listener).run(staged, close_timeout));
    let running = Running { runtime, gate, stage, serving, timeout };
    // A remote registry may be unavailable for a long time; until then, readiness probes report that the node is
    // not ready.
    if config.registry.kind == RegistryKind::Local {
        running.runtime.node().joined().await;
    }
    output::note(&about);
    if let Some(warning) = config.exposure_warning() {
        output::note(&format!("warning: {warning}"));
    }
    output::note(&format!("listening on http://{address}"));
    if let Some(folder) = &config.web {
        output::note(&format!("{} is served at http://{address}/web/", folder.display()));
    }
    tokio::select! {
        why = running.gate.denied() => anyhow::bail!("{why}"),
        () = running.tell_name() => Ok(()),
        () = signals.next() => running.end(&mut signals).await,
    }
}

/// Running node, with everything that its shutdown needs.
struct Running {
    runtime: Runtime,
    gate: Arc<SessionGate>,
    stage: watch::Sender<Stage>,
    serving: JoinHandle<()>,
    timeout: Duration,
}

impl Running {
    /// Prints the node's name once it has joined. Never returns.
    async fn tell_name(&self) {
        let node = self.runtime.node();
        node.joined().await;
        output::note(&format!("node {}", node.id()));
        std::future::pending::<()>().await;
    }

    /// Shuts down gracefully: objects, session, connections. Until the end, calls are accepted and forwarded to
    /// other nodes.
    async fn end(self, signals: &mut Signals) -> anyhow::Result<()> {
        output::note(
            "draining: objects are handed over, and no others are activated; press Ctrl-C again to quit at once",
        );
        let ending = async {
            // From now on, responses send clients to other nodes, so that few are left when connections close.
            self.stage.send_replace(Stage::Leaving);
            let left = self.runtime.drain(self.timeout).await;
            if left > 0 {
                tracing::warn!(left, "objects were still active when the drain timed out");
            }
            self.gate.close();
            // Calls in flight are still forwarded to other nodes, for which the session is needed.
            self.stage.send_replace(Stage::Closing);
            let served = self.serving.await;
            self.runtime.shutdown().await;
            served
        };
        tokio::select! {
            ended = ending => {
                ended?;
                output::note("stopped");
                Ok(())
            }
            () = signals.next() => anyhow::bail!("quit before all objects were handed over"),
        }
    }
}

/// SIGINT and SIGTERM, which are equivalent here.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Reloads the token file on every SIGHUP. An invalid file leaves the tokens unchanged.
async fn reread_tokens(access: Arc<Authorizer>, path: PathBuf, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        match config::auth::read_tokens(&path) {
            Ok(tokens) => {
                output::note(&format!("{} tokens read from {}", tokens.count(), path.display()));
                access.replace(tokens);
            }
            Err(error) => output::note(&format!("the tokens remain unchanged: {error}")),
        }
    }
}

/// Reduces `resident_max` to the number of instances that the kernel's mapping limit allows.
fn clamp_to_kernel_limits(config: Config) -> Config {
    let Some(allowed) = config::max_map_count().map(config::resident_allowed) else {
        return config;
    };
    if config.resident_max <= allowed {
        return config;
    }
    let needed = config::map_count_needed(config.resident_max);
    tracing::warn!(
        resident_max = config.resident_max,
        allowed,
        "the kernel allows fewer resident instances; raise its limit with: sysctl -w vm.max_map_count={needed}"
    );
    Config { resident_max: allowed, ..config }
}

/// Timeouts of a shutdown.
struct Timeouts {
    /// For handing over objects.
    drain: Duration,
    /// After that, for closing connections.
    close: Duration,
}

fn timeouts(config: &Config) -> Timeouts {
    match config.registry.kind {
        RegistryKind::Local => Timeouts { drain: DRAIN_TIMEOUT_ALONE, close: CLOSE_TIMEOUT_ALONE },
        RegistryKind::ZooKeeper => Timeouts { drain: DRAIN_TIMEOUT, close: CLOSE_TIMEOUT },
    }
}

fn runtime_config(config: &Config) -> runtime::Config {
    let node = node::Config {
        idle_timeout: config.idle_timeout,
        mailbox_len: config.mailbox_len,
        fault_max: config.quarantine_after,
        shows_traps: config.is_dev && config.listen.ip().is_loopback(),
        resident_max: usize::try_from(config.resident_max).unwrap_or(usize::MAX),
        activation_rate: config.activations_per_s(),
        store_unavailable_timeout: config.store_unavailable_timeout,
        may_call: config.may_call.clone(),
        guest_threads: config.guest_threads.and_then(|count| usize::try_from(count).ok()),
        weights: config.weights.clone(),
        rates: config.rates.clone(),
    };
    let retention = Retention {
        kept_count: usize::try_from(config.revisions_kept).unwrap_or(usize::MAX),
        after_ms: u64::try_from(config.component_retention.as_millis()).unwrap_or(u64::MAX),
    };
    let call_timeout = config.call_timeout;
    runtime::Config { node, retention, call_timeout, ..runtime::Config::default() }
}

fn http_config(config: &Config, address: SocketAddr, access: Arc<Authorizer>) -> http::Config {
    http::Config {
        access,
        is_for_this_machine: config.is_dev && config.listen.ip().is_loopback(),
        web: config.web.clone(),
        call_timeout: config.call_timeout,
        component_max: config.component_max,
        connection_max: usize::try_from(config.connections_max).unwrap_or(usize::MAX),
        ..http::Config::new(config.advertised(address))
    }
}
