//! Opens and checks the adapters that the configuration selects.
//!
//! An unavailable backend is retried until it responds; a rejection ends the start with its reason. A remote store
//! is used only after a probe has shown that it enforces conditional writes.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::records::{Place, Records};
use super::session_gate::SessionGate;
use crate::config::Config;
use crate::config::backends::{RegistryKind, StoreKind};
use crate::engine::wasmtime::{CompileLimits, Compiler, SandboxConfig, WasmtimeEngine};
use crate::metrics::compilations::Compilations;
use crate::node::Ports;
use crate::registry::Sessions;
use crate::registry::local::{Directory, LocalSessions};
use crate::registry::zookeeper::ZooKeeperSessions;
use crate::store::embedded::Embedded;
use crate::store::s3::S3;
use crate::store::{Store, probe};

/// Minimum and maximum backoff between two probes of an unavailable store.
const CHECK_PAUSE_MIN: Duration = Duration::from_millis(250);
const CHECK_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Ports of a node, with their handles.
pub(super) struct Opened {
    pub(super) ports: Ports,
    /// Guard for the node's sessions.
    pub(super) entrance: Arc<SessionGate>,
    /// The engine's compilation metrics.
    pub(super) compilations: Compilations,
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
        cpu_max: config.cpu_max,
        resident_max: config.resident_max,
        state_max: config.state_max,
        cache_dir: Some(dir.join("code")),
        cache_max: config.code_cache_max as u64,
        compiler: Compiler::own_binary(limits),
        ..SandboxConfig::default()
    })?;
    let (sessions, registry_about) = find_sessions(config, address, &store)?;
    let entrance = Arc::new(SessionGate::new(sessions));
    let compilations = engine.compilations().clone();
    let ports = Ports {
        sessions: Arc::clone(&entrance) as Arc<dyn Sessions>,
        store,
        engine: Arc::new(engine),
    };
    let about = format!("registry {registry_about}, store {store_about}");
    Ok(Opened { ports, entrance, compilations, about })
}

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
        RegistryKind::ZooKeeper => {
            let mut options = config.zookeeper_options(address)?;
            let place = Place {
                registry: options.connect.clone(),
                name: config.store_name(),
                endpoint: config.store.endpoint.clone().unwrap_or_default(),
            };
            let records = Records::new(Arc::clone(store), place, &config.data_dir);
            options.store = Some(Arc::new(records));
            let about = format!(
                "zookeeper at {}, where this node has the address {address}",
                options.connect
            );
            Ok((Arc::new(ZooKeeperSessions::new(options)), about))
        }
    }
}

async fn open_store(config: &Config) -> anyhow::Result<(Arc<dyn Store>, String)> {
    match config.store.kind {
        StoreKind::Embedded => {
            let dir = &config.data_dir;
            let about = format!("embedded (conditional writes enforced) in {}", dir.display());
            Ok((Arc::new(open_embedded(dir)?), about))
        }
        StoreKind::S3 => {
            let options = config.s3_options();
            let place = match &options.endpoint {
                Some(endpoint) => format!("{} at {endpoint}", options.bucket),
                None => options.bucket.clone(),
            };
            let store = S3::connect(options).await?;
            verify(&store).await?;
            let about = format!("s3 (conditional writes verified) in bucket {place}");
            Ok((Arc::new(store), about))
        }
    }
}

fn open_embedded(dir: &Path) -> anyhow::Result<Embedded> {
    Embedded::open(&dir.join("store"))
        .with_context(|| format!("cannot open the store in {}", dir.display()))
}

/// Probes a store until it is known whether it enforces conditions.
async fn verify(store: &dyn Store) -> anyhow::Result<()> {
    let mut pause = CHECK_PAUSE_MIN;
    loop {
        match probe::check(store).await {
            Ok(()) => return Ok(()),
            // The store responds. Other nodes that start at the same time are probing it, so wait for a turn.
            Err(error @ probe::Error::Busy) => {
                tracing::debug!("{error}");
                pause = CHECK_PAUSE_MIN;
            }
            Err(probe::Error::Unavailable(why)) => {
                tracing::warn!("the store does not respond yet; trying again: {why}");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(CHECK_PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::Memory;

    #[tokio::test]
    async fn a_store_that_answers_is_verified_at_once() {
        verify(&Memory::new()).await.unwrap();
    }
}
