//! Limits of the sandbox, and the engine configuration derived from them.
//!
//! [`engine_config`] is a pure function, and a test pins its choices. Features that guests do not need are
//! disabled, because attackers can reach every enabled one.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use highlander_core::limits::{ARGUMENT_BYTES_MAX, REPLY_BYTES_MAX};
use wasmtime::{
    Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, RegallocAlgorithm,
    Strategy, WasmFeatures,
};

use super::compiler::Compiler;
use super::error::Error;

/// Interval at which a running guest must pause, in wall time. Bounds how long a guest can hold a worker thread.
pub(super) const TICK: Duration = Duration::from_millis(2);
/// Stack available to a guest.
const GUEST_STACK_BYTES: usize = 512 * 1024;
/// Stack of one call, guest and host functions together; only touched pages cost memory.
const FIBER_STACK_BYTES: usize = 2 * 1024 * 1024;
/// Maximum number of elements of one table. Rust needs a few hundred, JavaScript and Python runtimes more than
/// 10,000.
pub(super) const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Core instances, memories and tables of one component. Python components link a dozen libraries.
pub(super) const CORE_INSTANCES_MAX: usize = 64;
/// Maximum number of memories of an instance. They share `memory_max`.
pub(super) const MEMORIES_MAX: usize = 4;
/// Maximum number of tables of an instance.
pub(super) const TABLES_MAX: usize = 8;
/// Maximum number of handles that an instance holds at a time, such as its standard output.
pub(super) const HANDLES_MAX: usize = 1_000;
/// Number of frames that are counted when a guest traps.
pub(super) const TRAP_DEPTH_MAX: usize = 256;
/// Additional instances beyond the resident ones: for describing, rehearsing, and replacing other instances.
const INSTANCES_MARGIN: u32 = 64;
/// Memory mappings per instance: two for its memory, two for its stack.
const MAPPINGS_PER_INSTANCE: u64 = 4;
/// Memory mappings of the rest of the process.
const MAPPINGS_OF_HOST: u64 = 4096;

/// Memory of one instance, by default.
const MEMORY_MAX: usize = 64 * 1024 * 1024;
/// Memory of all instances where neither the kernel nor a control group states how much there is.
const MEMORY_TOTAL_UNKNOWN: usize = 1024 * 1024 * 1024;
/// Maximum part of the total that is reserved for the compiler: a small node must be able to compile, too.
const COMPILER_DIVISOR: usize = 4;

/// Limits of an instance, and the number of instances.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Memory of one instance, in bytes.
    pub memory_max: usize,
    /// Memory of all instances together, and of the compiler while it runs, in bytes. At least `memory_max`.
    pub memory_total: usize,
    /// Processor time of one call.
    pub cpu_max: Duration,
    /// Maximum number of resident instances.
    pub resident_max: u32,
    /// Size of a snapshot, in bytes.
    pub state_max: usize,
    /// Directory in which compiled code is cached between starts; `None` disables this cache.
    pub cache_dir: Option<PathBuf>,
    /// Size limit of that directory in bytes; the least recently used files are removed first.
    pub cache_max: u64,
    /// Compiler of components. A node must use a child process.
    pub compiler: Compiler,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            memory_max: MEMORY_MAX,
            memory_total: memory_total_by_default(MEMORY_MAX),
            cpu_max: Duration::from_millis(100),
            resident_max: 4096,
            state_max: 1024 * 1024,
            cache_dir: None,
            cache_max: 1024 * 1024 * 1024,
            compiler: Compiler::default(),
        }
    }
}

/// Returns the memory of all instances for a configuration that does not set it: half of what the machine or its
/// control group gives, but at least that of one instance.
#[must_use]
pub fn memory_total_by_default(memory_max: usize) -> usize {
    let half = highlander_system::memory::available().map(|bytes| bytes / 2);
    let half =
        half.map_or(MEMORY_TOTAL_UNKNOWN, |half| usize::try_from(half).unwrap_or(usize::MAX));
    half.max(memory_max)
}

impl SandboxConfig {
    /// Returns how many bytes of the total are reserved while a component is compiled. A compilation in this process
    /// uses the memory of the host, which is not counted.
    pub(super) fn compiler_bytes(&self) -> usize {
        match &self.compiler {
            Compiler::InProcess => 0,
            Compiler::Child { limits, .. } => {
                let limit = usize::try_from(limits.memory_max).unwrap_or(usize::MAX);
                limit.min(self.memory_total / COMPILER_DIVISOR)
            }
        }
    }

    /// Returns how many bytes a guest may pass to the host at a time: twice the largest payload.
    pub(super) fn transfer_max(&self) -> usize {
        2 * self.state_max.max(REPLY_BYTES_MAX).max(ARGUMENT_BYTES_MAX)
    }
}

/// Checks that the kernel allows a process enough memory mappings. Otherwise mapping would fail at run time, for
/// all objects.
pub(super) fn check_mappings(resident_max: u32, allowed: u64) -> Result<(), Error> {
    let instances = u64::from(resident_max) + u64::from(INSTANCES_MARGIN);
    let needed = instances * MAPPINGS_PER_INSTANCE + MAPPINGS_OF_HOST;
    if needed > allowed {
        return Err(Error::Mappings { resident_max, needed, allowed });
    }
    Ok(())
}

/// Returns how many mappings a process may have, or `None` if the kernel does not report it.
pub(super) fn mappings_allowed() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

/// Returns the engine configuration for this sandbox.
pub(super) fn engine_config(sandbox: &SandboxConfig) -> Config {
    let mut config = code_config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(sandbox)));
    config
}

/// Returns the configuration that affects code generation. A compiler needs nothing else, because it has no
/// instances.
pub(super) fn code_config() -> Config {
    let mut config = Config::new();
    config
        .wasm_features(WITHOUT, false)
        .concurrency_support(false)
        .shared_memory(false)
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking)
        // Deterministic: the same state gives the same bytes on every machine.
        .cranelift_nan_canonicalization(true)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        // A stack is reused by another object, possibly of another owner.
        .async_stack_zeroing(true)
        .memory_init_cow(true)
        // Only the depth of a trap is needed, so there are no maps from code to source.
        .wasm_backtrace_max_frames(NonZeroUsize::new(TRAP_DEPTH_MAX))
        .generate_address_map(false);
    config
}

/// Disabled features, which guests of current toolchains do not need. Asynchronous components are not even compiled
/// in. Multiple memories are enabled only for the code that connects two components of a composition: the prescan
/// rejects modules with several memories.
const WITHOUT: WasmFeatures = WasmFeatures::THREADS
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::GC)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::STACK_SWITCHING)
    .union(WasmFeatures::WIDE_ARITHMETIC)
    .union(WasmFeatures::CUSTOM_PAGE_SIZES);

pub(super) fn pool(sandbox: &SandboxConfig) -> PoolingAllocationConfig {
    let instances = sandbox.resident_max.saturating_add(INSTANCES_MARGIN);
    let count = |per_instance: usize| u32::try_from(per_instance).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    // An instance keeps its stack for its whole life, so there are as many stacks as instances.
    pool.total_component_instances(instances)
        .total_stacks(instances)
        .total_memories(instances)
        .total_tables(instances.saturating_mul(3))
        .total_core_instances(instances.saturating_mul(8))
        .max_core_instances_per_component(count(CORE_INSTANCES_MAX))
        .max_memories_per_component(count(MEMORIES_MAX))
        .max_tables_per_component(count(TABLES_MAX))
        .max_memory_size(sandbox.memory_max)
        .table_elements(TABLE_ELEMENTS_MAX)
        // The memory of an ended instance is returned to the kernel immediately.
        .linear_memory_keep_resident(0)
        .table_keep_resident(0)
        .async_stack_keep_resident(0);
    pool
}
