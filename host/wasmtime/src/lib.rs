//! The engine that runs components in wasmtime: the sandbox.
//!
//! Guests are assumed to be hostile. They can import only what [`imports`] lists. Their time, memory, stack and
//! output are bounded, and an instance that fails is dropped with its `wasmtime::Store`. One engine serves the
//! whole node. No other part of the host uses `wasmtime`.

mod bindings;
mod budget;
mod cache;
mod code;
pub mod compilations;
mod compile_queue;
mod compiler;
mod component;
mod config;
mod describe;
mod effects;
mod error;
mod fault;
mod guest_log;
mod host_state;
mod imports;
mod instance;
mod memory;
mod names;
mod prescan;
mod text;
mod ticker;
mod wasi;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use highlander_core::engine::{Component, Engine, LoadError, LoadPurpose};
use highlander_core::id::Digest;
use highlander_core::memory::{MemoryKind, MemoryTotal, Reservation};
use highlander_system::clock;
use prometheus::core::Collector;

use self::cache::CodeCache;
use self::compile_queue::{Begun, CompileQueue, Loaded};
pub use self::compiler::child::compile;
pub use self::compiler::limits::CompileLimits;
use self::compiler::refusal::uncompilable;
pub use self::compiler::sandbox::Confinement;
pub use self::compiler::{COMMAND, Compiler};
use self::component::{Shared, WasmComponent};
pub use self::config::{SandboxConfig, memory_total_by_default};
pub use self::error::Error;
use self::guest_log::GuestLog;
use self::ticker::Ticker;
use crate::compilations::{Compilations, Outcome};

/// Maximum time for which a compilation waits for memory.
const COMPILER_MEMORY_WAIT: Duration = Duration::from_secs(5);

/// Engine based on wasmtime. Cheap to clone.
#[derive(Clone)]
pub struct WasmtimeEngine {
    shared: Arc<Shared>,
    cache: Option<Arc<CodeCache>>,
    /// Few compilations run at a time, because each uses many cores and much memory.
    queue: Arc<CompileQueue>,
    compilations: Compilations,
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
    /// If the directory for compiled code cannot be used, the engine only logs a warning.
    ///
    /// # Errors
    /// See [`Error`].
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
            let opened = CodeCache::open(dir, sandbox.cache_max, &engine);
            opened
                .inspect_err(|error| {
                    tracing::warn!(%error, dir = %dir.display(), "compiled code is not cached on disk");
                })
                .ok()
        });
        let shared = Shared {
            memory: Arc::new(MemoryTotal::new(sandbox.memory_total.max(sandbox.memory_max))),
            sandbox,
            engine,
            ticker,
            instances: Arc::new(AtomicUsize::new(0)),
            log: Arc::new(GuestLog::new()),
        };
        let compilations = Compilations::new();
        Ok(Self {
            shared: Arc::new(shared),
            cache: cache.map(Arc::new),
            queue: Arc::new(CompileQueue::new(compilations.clone())),
            compilations,
        })
    }

    /// Returns the memory of all live instances, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.shared.memory.used_by(MemoryKind::Instances)
    }

    /// Returns the number of live instances.
    #[must_use]
    pub fn instance_count(&self) -> usize {
        self.shared.instances.load(Ordering::Relaxed)
    }

    /// Returns how often compiled code could not be written to disk.
    #[must_use]
    pub fn cache_failed_count(&self) -> u64 {
        self.cache.as_ref().map_or(0, |cache| cache.failed_count())
    }

    /// Returns the metrics of compilations.
    #[must_use]
    pub fn compilations(&self) -> &Compilations {
        &self.compilations
    }

    /// Returns all metrics of the engine, for registration.
    #[must_use]
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        let mut collectors = Vec::from(self.compilations.collectors());
        collectors.push(Box::new(self.shared.log.dropped()));
        collectors
    }

    /// Reserves the memory of the compiler. Waits for a while if it is in use; meanwhile, idle instances are evicted.
    async fn reserve_for_compiler(&self) -> Result<Reservation, LoadError> {
        let memory = &self.shared.memory;
        let reserved = memory.reserved(MemoryKind::Compiler, self.shared.sandbox.compiler_bytes());
        let reserved = tokio::time::timeout(COMPILER_MEMORY_WAIT, reserved).await;
        reserved.map_err(|_| LoadError::NodeMemoryFull(memory.max()))
    }

    /// Loads the component from the cache, if it is there.
    fn load_kept(&self, digest: Digest) -> Result<Option<WasmComponent>, LoadError> {
        let kept = self.cache.as_ref().and_then(|cache| cache.load(&self.shared.engine, digest));
        kept.map(|compiled| self.bind(digest, &compiled)).transpose()
    }

    /// Begins as many compilations as there are free slots.
    fn begin_compilations(&self) {
        while let Some(begun) = self.queue.begin_next() {
            let engine = self.clone();
            tokio::spawn(async move {
                let loaded = engine.compiled(&begun).await;
                engine.queue.end(&begun, loaded);
                engine.begin_compilations();
            });
        }
    }

    async fn compiled(&self, begun: &Begun) -> Loaded {
        let reserved = self.reserve_for_compiler().await?;
        let (digest, wasm) = (begun.digest, begun.wasm.clone());
        let (engine, is_abandoned) = (self.clone(), Arc::clone(&begun.is_abandoned));
        let compiled = blocking(move || {
            let _held = reserved;
            engine.load_compiled(digest, &wasm, &is_abandoned)
        });
        compiled.await.map(|component| self.queue.use_now(digest, component))
    }

    /// Compiles the component and caches the code.
    fn load_compiled(
        &self,
        digest: Digest,
        wasm: &[u8],
        is_abandoned: &AtomicBool,
    ) -> Result<WasmComponent, LoadError> {
        // An earlier job may have compiled the same component.
        if let Some(component) = self.load_kept(digest)? {
            return Ok(component);
        }
        let engine = &self.shared.engine;
        let began = clock::now();
        let code = self.shared.sandbox.compiler.compile(engine, wasm, is_abandoned);
        self.compilations.seconds.observe(clock::now().since(began).as_secs_f64());
        self.compilations.count(match &code {
            Ok(_) => Outcome::Done,
            Err(_) if is_abandoned.load(Ordering::Relaxed) => Outcome::Abandoned,
            Err(LoadError::Refused(_)) => Outcome::Refused,
            Err(_) => Outcome::Failed,
        });
        let code = code?;
        // Excessive memories and tables are detected only here.
        let compiled = code.load(engine).map_err(|error| uncompilable(&error))?;
        if let Some(cache) = &self.cache {
            cache.keep(digest, &code);
        }
        self.bind(digest, &compiled)
    }

    fn bind(
        &self,
        digest: Digest,
        compiled: &wasmtime::component::Component,
    ) -> Result<WasmComponent, LoadError> {
        WasmComponent::new(Arc::clone(&self.shared), digest, compiled)
    }
}

/// Runs slow work on a blocking thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| LoadError::Failed(error.to_string()))?
}

#[async_trait]
impl Engine for WasmtimeEngine {
    async fn load(
        &self,
        digest: Digest,
        wasm: Bytes,
        purpose: &LoadPurpose,
    ) -> Result<Arc<dyn Component>, LoadError> {
        if Digest::of(&wasm) != digest {
            return Err(LoadError::Refused(format!("its bytes do not match the digest {digest}")));
        }
        if let Some(component) = self.queue.in_use(digest) {
            return Ok(component);
        }
        let (engine, scanned) = (self.clone(), wasm.clone());
        let kept = blocking(move || {
            prescan::scan(&scanned)?;
            engine.load_kept(digest)
        });
        // Loading from the cache does not wait for compilations.
        if let Some(component) = kept.await? {
            return Ok(self.queue.use_now(digest, component));
        }
        let request = self.queue.enter(digest, wasm, purpose)?;
        self.begin_compilations();
        Ok(request.loaded().await?)
    }

    fn memory(&self) -> &Arc<MemoryTotal> {
        &self.shared.memory
    }
}
