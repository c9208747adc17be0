//! The engine that runs components with wasmtime: the sandbox.
//!
//! Guests are taken to be hostile. They get what [`imports`] lists and nothing else; their time, memory, stack and
//! output are bounded; one that fails is thrown away with its `wasmtime::Store`. One engine serves the whole node.
//! It knows nothing of owners, stores or other calls, and `wasmtime` is named nowhere else in the host.

mod bindings;
mod budget;
mod cache;
mod component;
mod config;
mod describe;
mod fault;
mod guest;
mod imports;
mod instance;
mod memory;
mod prescan;
mod ticker;
mod wasi;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;

use self::cache::CodeCache;
use self::component::{Shared, WasmComponent};
pub use self::config::SandboxConfig;
use self::memory::MemoryGauge;
use self::ticker::Ticker;
use crate::engine::{Component, Engine, LoadError};
use crate::id::Digest;

/// Why no engine can be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// wasmtime refuses the configuration, or gets no address space for the instances.
    #[error("no sandbox for {resident_max} instances of {memory_max} bytes: {reason}")]
    Sandbox {
        /// Instances that were asked for.
        resident_max: u32,
        /// Memory of each.
        memory_max: usize,
        /// What wasmtime says.
        reason: String,
    },
    /// The kernel allows fewer memory mappings than that many instances need.
    #[error(
        "{resident_max} instances need {needed} memory mappings, and vm.max_map_count is {allowed}"
    )]
    Mappings {
        /// Instances that were asked for.
        resident_max: u32,
        /// Mappings that they need.
        needed: u64,
        /// Mappings that a process may have.
        allowed: u64,
    },
    /// The thread that makes guests pause cannot be started.
    #[error("no thread for the ticker")]
    Ticker(#[source] std::io::Error),
}

/// Runs components in wasmtime. Cheap to clone.
#[derive(Clone)]
pub struct WasmtimeEngine {
    shared: Arc<Shared>,
    cache: Option<Arc<CodeCache>>,
    /// One compilation at a time: each uses all cores it gets, and much memory.
    compiler: Arc<Semaphore>,
}

impl fmt::Debug for WasmtimeEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sandbox = &self.shared.sandbox;
        f.debug_struct("WasmtimeEngine").field("sandbox", sandbox).finish_non_exhaustive()
    }
}

impl WasmtimeEngine {
    /// Reserves address space for all instances, and starts the ticker.
    ///
    /// A directory for compiled code that cannot be used is only warned of.
    ///
    /// # Errors
    /// [`Error`].
    pub fn new(sandbox: SandboxConfig) -> Result<Self, Error> {
        if let Some(allowed) = config::mappings_allowed() {
            config::check_mappings(sandbox.resident_max, allowed)?;
        }
        let engine = wasmtime::Engine::new(&config::engine_config(&sandbox)).map_err(|error| {
            let SandboxConfig { resident_max, memory_max, .. } = sandbox;
            Error::Sandbox { resident_max, memory_max, reason: format!("{error:#}") }
        })?;
        let ticker = Ticker::start(engine.weak()).map_err(Error::Ticker)?;
        let cache = sandbox.cache_dir.as_deref().and_then(|dir| {
            let opened = CodeCache::open(dir, &engine);
            opened
                .inspect_err(|error| {
                    tracing::warn!(%error, dir = %dir.display(), "compiled code is not kept on disk");
                })
                .ok()
        });
        let lane = Arc::new(Semaphore::new(sandbox.long_calls_max.max(1)));
        let shared = Shared {
            sandbox,
            engine,
            ticker,
            memory: MemoryGauge::default(),
            instances: Arc::new(AtomicUsize::new(0)),
            lane,
        };
        Ok(Self {
            shared: Arc::new(shared),
            cache: cache.map(Arc::new),
            compiler: Arc::new(Semaphore::new(1)),
        })
    }

    /// Memory of all live instances together, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.shared.memory.bytes()
    }

    /// Live instances.
    #[must_use]
    pub fn instance_count(&self) -> usize {
        self.shared.instances.load(Ordering::Relaxed)
    }

    /// How often compiled code could not be kept on disk.
    #[must_use]
    pub fn cache_failed_count(&self) -> u64 {
        self.cache.as_ref().map_or(0, |cache| cache.failed_count())
    }

    /// Checks, compiles and binds the component. Takes long, and runs on a thread that may.
    fn load_blocking(&self, digest: Digest, wasm: &[u8]) -> Result<WasmComponent, LoadError> {
        prescan::scan(wasm)?;
        let engine = &self.shared.engine;
        let cached = self.cache.as_ref().and_then(|cache| cache.load(engine, digest));
        let compiled = match cached {
            Some(compiled) => compiled,
            None => {
                let compiled = wasmtime::component::Component::from_binary(engine, wasm);
                let compiled = compiled.map_err(|error| {
                    let text = format!("it cannot be compiled: {error:#}");
                    LoadError::Refused(guest::cut(&guest::escape(&text), 1024).to_owned())
                })?;
                if let Some(cache) = &self.cache {
                    cache.keep(digest, &compiled);
                }
                compiled
            }
        };
        WasmComponent::new(Arc::clone(&self.shared), digest, &compiled)
    }
}

#[async_trait]
impl Engine for WasmtimeEngine {
    async fn load(&self, digest: Digest, wasm: Bytes) -> Result<Arc<dyn Component>, LoadError> {
        if Digest::of(&wasm) != digest {
            return Err(LoadError::Refused(format!("its bytes are not those of {digest}")));
        }
        let failed = |error: &dyn fmt::Display| LoadError::Failed(error.to_string());
        let compiler = Arc::clone(&self.compiler);
        let turn = compiler.acquire_owned().await.map_err(|error| failed(&error))?;
        let engine = self.clone();
        let loading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            engine.load_blocking(digest, &wasm)
        });
        let component = loading.await.map_err(|error| failed(&error))??;
        Ok(Arc::new(component))
    }
}
