//! A compiled component: creates instances and returns the component's description.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use highlander_core::engine::{Component, Description, Fault, Instance, LoadError};
use highlander_core::id::Digest;
use highlander_core::memory::MemoryTotal;
use tokio::sync::OnceCell;
use wasmtime::component::{Component as Compiled, InstancePre};

use super::bindings::ObjectIndices;
use super::budget::{Budget, FIRST_SLICE_TICKS};
use super::config::{HANDLES_MAX, SandboxConfig};
use super::describe;
use super::fault::fault_of;
use super::guest_log::GuestLog;
use super::host_state::HostState;
use super::imports;
use super::instance::{InstanceCount, Sandbox, WasmInstance};
use super::memory::Memory;
use super::text::{cut, escape};
use super::ticker::Ticker;

/// State shared by all instances of an engine.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) sandbox: SandboxConfig,
    pub(super) engine: wasmtime::Engine,
    pub(super) ticker: Ticker,
    /// Memory of all instances, and of the compiler.
    pub(super) memory: Arc<MemoryTotal>,
    pub(super) instances: Arc<AtomicUsize>,
    /// Log of all objects.
    pub(super) log: Arc<GuestLog>,
}

/// Component that is ready to run.
pub(super) struct WasmComponent {
    digest: Digest,
    shared: Arc<Shared>,
    pre: InstancePre<HostState>,
    exports: ObjectIndices,
    reaches_out: bool,
    description: OnceCell<Description>,
}

impl fmt::Debug for WasmComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmComponent").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl WasmComponent {
    /// Binds the component's imports and checks its exports.
    pub(super) fn new(
        shared: Arc<Shared>,
        digest: Digest,
        compiled: &Compiled,
    ) -> Result<Self, LoadError> {
        let refused = |error: wasmtime::Error| {
            let text = format!("it is not a component of the world highlander:object: {error:#}");
            LoadError::Refused(cut(&escape(&text), 1024).to_owned())
        };
        let reaches_out = imports::reaches_out(&shared.engine, compiled);
        let linker = imports::link(&shared.engine, compiled).map_err(refused)?;
        let pre = linker.instantiate_pre(compiled).map_err(refused)?;
        let exports = ObjectIndices::new(&pre).map_err(refused)?;
        let description = OnceCell::new();
        Ok(Self { digest, shared, pre, exports, reaches_out, description })
    }

    async fn sandbox(&self) -> Result<Sandbox, Fault> {
        let shared = &self.shared;
        let limits = &shared.sandbox;
        let memory = Memory::new(limits.memory_max, Arc::clone(&shared.memory));
        let budget = Budget::new(limits.cpu_max, shared.ticker.clone());
        let state = HostState::new(memory, budget, Arc::clone(&shared.log));
        let mut store = wasmtime::Store::new(&shared.engine, state);
        store.limiter(|guest| &mut guest.memory);
        store.epoch_deadline_callback(|mut cx| Ok(cx.data_mut().budget.tick()?));
        store.set_hostcall_fuel(limits.transfer_max());
        store.set_max_component_handles(HANDLES_MAX);
        store.set_epoch_deadline(FIRST_SLICE_TICKS);
        store.data_mut().budget.begin_call();
        let made = self.pre.instantiate_async(&mut store).await;
        let instance = made.map_err(|error| fault_of(&error, store.data()))?;
        // Function types are checked here; their names were checked when the component was loaded.
        let bindings = self.exports.load(&mut store, &instance);
        let bindings = bindings.map_err(|error| Fault::Contract(other_contract(&error)))?;
        Ok(Sandbox { store, bindings })
    }

    async fn described(&self) -> Result<Description, LoadError> {
        let refused =
            |reason: String| LoadError::Refused(format!("its describe function failed: {reason}"));
        let mut sandbox = match self.sandbox().await {
            Ok(sandbox) => sandbox,
            Err(fault @ Fault::Exhausted(_)) => return Err(LoadError::Failed(fault.to_string())),
            Err(Fault::NodeMemoryFull(max)) => return Err(LoadError::NodeMemoryFull(max)),
            Err(Fault::Contract(why)) => return Err(LoadError::Refused(why)),
            Err(fault) => return Err(refused(fault.to_string())),
        };
        let said = sandbox.describe().await.map_err(|fault| match fault {
            Fault::NodeMemoryFull(max) => LoadError::NodeMemoryFull(max),
            fault => refused(fault.to_string()),
        })?;
        describe::check(said).map_err(LoadError::Refused)
    }
}

#[async_trait]
impl Component for WasmComponent {
    fn digest(&self) -> Digest {
        self.digest
    }

    fn reaches_out(&self) -> bool {
        self.reaches_out
    }

    async fn describe(&self) -> Result<Description, LoadError> {
        self.description.get_or_try_init(|| self.described()).await.cloned()
    }

    async fn instantiate(&self) -> Result<Box<dyn Instance>, Fault> {
        // The content type of the state must be known before the first snapshot.
        let description = self.description.get_or_try_init(|| self.described()).await;
        let description = description.map_err(|error| match error {
            LoadError::Refused(reason) => Fault::Contract(reason),
            LoadError::Failed(reason) | LoadError::Busy(reason) | LoadError::QueueFull(reason) => {
                Fault::Exhausted(reason)
            }
            LoadError::NodeMemoryFull(max) => Fault::NodeMemoryFull(max),
        })?;
        let is_json = is_json(&description.state_content_type);
        let state_max = self.shared.sandbox.state_max;
        let count = InstanceCount::one_more(&self.shared.instances);
        let sandbox = self.sandbox().await?;
        Ok(Box::new(WasmInstance::new(sandbox, is_json, state_max, count)))
    }
}

/// Returns the error text for a component whose functions have the right names but other types.
fn other_contract(error: &wasmtime::Error) -> String {
    let text = format!(
        "it was built against another version of the WIT world; expected highlander:object@0.1.0: rebuild it with the \
         SDK, or the WIT, of this release: {error:#}"
    );
    cut(&escape(&text), 1024).to_owned()
}

/// Whether a media type is JSON, with or without parameters.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}
