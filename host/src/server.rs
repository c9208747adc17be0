//! A node as a process: opens its ports, answers HTTP, and ends in order.
//!
//! Everything is wired here and nowhere else. What a call means is decided far below.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rand::RngExt as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::cli::output;
use crate::config::{self, Config};
use crate::engine::wasmtime::{SandboxConfig, WasmtimeEngine};
use crate::http::accept::Server;
use crate::http::peers::HttpPeers;
use crate::http::{self, Api};
use crate::id::NodeId;
use crate::node::{self, Node, Ports};
use crate::registry::local::Directory;
use crate::router::{self, Router};
use crate::store::embedded::Embedded;

/// How long objects may take to be handed back.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);
/// How long open connections may take after that.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Runs a node until it is told to stop.
///
/// # Errors
/// Why it could not start.
pub fn run(config: Config) -> anyhow::Result<()> {
    config.check_exposure()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(config));
    // What still blocks a thread, such as a compilation, is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

async fn serve(config: Config) -> anyhow::Result<()> {
    // Before anything else, so that no signal meets the default, which is to end at once.
    let mut signals = Signals::new()?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let config = fitted(config);
    let node = Node::start(open_ports(&config)?, &node_config(&config));
    let router =
        Router::new(Arc::clone(&node), Arc::new(HttpPeers::new()), &router::Config::default());
    let api = Api::new(Arc::new(router), http_config(&config, address));
    let (stop, stopped) = watch::channel(());
    let serving = tokio::spawn(Server::new(api, listener).run(stopped, CLOSE_PATIENCE));
    announce(&config, &node, address);
    signals.next().await;
    output::note(
        "draining: calls under way end, new ones are refused; press Ctrl-C again to quit at once",
    );
    tokio::select! {
        left = node.drain(DRAIN_PATIENCE) => {
            if left > 0 {
                tracing::warn!(left, "objects were still active when their time was over");
            }
            drop(stop);
            serving.await?;
            output::note("stopped");
            Ok(())
        }
        () = signals.next() => anyhow::bail!("quit before all objects were handed back"),
    }
}

/// SIGINT and SIGTERM, which mean the same here.
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

/// The configuration with no more resident instances than the kernel has mappings for.
fn fitted(config: Config) -> Config {
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
        "the kernel allows fewer resident instances; raise it with: sysctl -w vm.max_map_count={needed}"
    );
    Config { resident_max: allowed, ..config }
}

fn open_ports(config: &Config) -> anyhow::Result<Ports> {
    let dir = &config.data_dir;
    // Whoever can read states can read all that objects know.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot make the data directory {}", dir.display()))?;
    let store = Embedded::open(&dir.join("store"))
        .with_context(|| format!("cannot open the store in {}", dir.display()))?;
    let engine = WasmtimeEngine::new(SandboxConfig {
        memory_max: config.memory_max,
        cpu_max: config.cpu_max,
        resident_max: config.resident_max,
        state_max: config.state_max,
        cache_dir: Some(dir.join("code")),
        ..SandboxConfig::default()
    })?;
    let registry = Directory::new().join(node_id());
    Ok(Ports { registry: Arc::new(registry), store: Arc::new(store), engine: Arc::new(engine) })
}

/// The host's name and some random digits: new for each start, because claims do not outlive a process.
fn node_id() -> NodeId {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let letters = name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40);
    let name: String = letters.collect();
    let name = if name.is_empty() { "node" } else { &name };
    let digits: [u8; 4] = rand::rng().random();
    NodeId::of_session(name, digits)
}

fn node_config(config: &Config) -> node::Config {
    node::Config {
        idle_timeout: config.idle_timeout,
        mailbox_len: config.mailbox_len,
        resident_max: usize::try_from(config.resident_max).unwrap_or(usize::MAX),
    }
}

fn http_config(config: &Config, address: SocketAddr) -> http::Config {
    http::Config {
        call_timeout: config.call_timeout,
        component_max: config.component_max,
        ..http::Config::new(config.advertised(address))
    }
}

fn announce(config: &Config, node: &Node, address: SocketAddr) {
    output::note(&format!("node {}", node.id()));
    output::note(&format!(
        "registry local, store embedded (conditional writes enforced) in {}",
        config.data_dir.display()
    ));
    output::note(&format!("listening on http://{address}"));
}
