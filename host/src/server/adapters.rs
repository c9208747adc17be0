//! Opens and checks the adapters that the configuration selects.
//!
//! A rejection by a backend ends the start with its reason. Each adapter with weight is a Cargo feature, and a
//! configuration that selects one which was left out is an error.

#[cfg(feature = "embedded")]
mod embedded;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "zookeeper")]
mod zookeeper;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;

use anyhow::Context as _;
use highlander_core::registry::Sessions;
use highlander_core::store::Store;
use highlander_wasmtime::{CompileLimits, Compiler, SandboxConfig, WasmtimeEngine};
use prometheus::core::Collector;

use super::session_gate::SessionGate;
use crate::config::Config;
#[cfg(not(all(feature = "embedded", feature = "s3", feature = "zookeeper")))]
use crate::config::backends::left_out;
use crate::config::backends::{RegistryKind, StoreKind};
use crate::node::Ports;
use crate::registry::local::{Directory, LocalSessions};

/// Ports of a node, with their handles.
pub(super) struct Opened {
    pub(super) ports: Ports,
    /// Guard for the node's sessions.
    pub(super) gate: Arc<SessionGate>,
    /// The engine's metrics.
    pub(super) collectors: Vec<Box<dyn Collector>>,
    /// Description of the adapters, for operators.
    pub(super) about: String,
}

/// Opens the ports of a node that other nodes reach at `address`.
pub(super) async fn open(config: &Config, address: &str) -> anyhow::Result<Opened> {
    let dir = &config.data_dir;
    // Access to the records means access to the state of every object, so only the owner may enter the directory.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot create the data directory {}", dir.display()))?;
    let (store, store_about) = open_store(config).await?;
    let limits = CompileLimits {
        time_max: config.compile_time_max,
        memory_max: config.compile_memory_max as u64,
    };
    let engine = WasmtimeEngine::new(SandboxConfig {
        memory_max: config.memory_max,
        memory_total: config.memory_total(),
        cpu_max: config.cpu_max,
        resident_max: config.resident_max,
        state_max: config.state_max,
        cache_dir: Some(dir.join("code")),
        cache_max: config.code_cache_max as u64,
        compiler: Compiler::own_binary(limits),
    })?;
    let (sessions, registry_about) = find_sessions(config, address, &store)?;
    let gate = Arc::new(SessionGate::new(sessions));
    let collectors = engine.collectors();
    let ports =
        Ports { sessions: Arc::clone(&gate) as Arc<dyn Sessions>, store, engine: Arc::new(engine) };
    let about = format!("registry {registry_about}, store {store_about}");
    Ok(Opened { ports, gate, collectors, about })
}

#[cfg_attr(
    not(feature = "zookeeper"),
    allow(unused_variables, reason = "only ZooKeeper must agree with the store")
)]
fn find_sessions(
    config: &Config,
    address: &str,
    store: &Arc<dyn Store>,
) -> anyhow::Result<(Arc<dyn Sessions>, String)> {
    match config.registry.kind {
        RegistryKind::Local => {
            let sessions = LocalSessions::new(Directory::new(), &config.node_name(), address);
            Ok((Arc::new(sessions), "local".to_owned()))
        }
        #[cfg(feature = "zookeeper")]
        RegistryKind::ZooKeeper => zookeeper::sessions(config, address, store),
        #[cfg(not(feature = "zookeeper"))]
        RegistryKind::ZooKeeper => Err(left_out("zookeeper").into()),
    }
}

async fn open_store(config: &Config) -> anyhow::Result<(Arc<dyn Store>, String)> {
    match config.store.kind {
        #[cfg(feature = "embedded")]
        StoreKind::Embedded => embedded::open(&config.data_dir),
        #[cfg(not(feature = "embedded"))]
        StoreKind::Embedded => Err(left_out("embedded").into()),
        #[cfg(feature = "s3")]
        StoreKind::S3 => s3::connect(config).await,
        #[cfg(not(feature = "s3"))]
        StoreKind::S3 => Err(left_out("s3").into()),
    }
}
