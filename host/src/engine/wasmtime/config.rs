//! What the sandbox is made of: its limits, and the engine configuration that follows from them.
//!
//! [`engine_config`] is a pure function, and a test pins its choices. Whatever a guest does not need is off: every
//! feature is code that an attacker can reach.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use wasmtime::{
    Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, RegallocAlgorithm,
    Strategy, WasmFeatures,
};

use super::Error;
use super::compiler::Compiler;
use crate::limits::{ARGUMENT_BYTES_MAX, REPLY_BYTES_MAX};

/// How often a running guest is asked to pause, in wall time. Bounds how long it can hold a worker thread.
pub(super) const TICK: Duration = Duration::from_millis(2);
/// Stack that a guest may use.
const GUEST_STACK_BYTES: usize = 512 * 1024;
/// Stack of one call, guest and host functions together; only touched pages cost memory.
const FIBER_STACK_BYTES: usize = 2 * 1024 * 1024;
/// Most elements of one table. Rust needs a few hundred, the JavaScript and Python runtimes more than 10,000.
pub(super) const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Core instances, memories and tables of one component. Python components link a dozen libraries.
pub(super) const CORE_INSTANCES_MAX: usize = 64;
/// Memories of one instance. They share `memory_max`.
pub(super) const MEMORIES_MAX: usize = 4;
/// Tables of one instance.
pub(super) const TABLES_MAX: usize = 8;
/// Handles that an instance may hold at a time, such as its standard output.
pub(super) const HANDLES_MAX: usize = 1_000;
/// Frames that are counted where a guest traps.
pub(super) const TRAP_DEPTH_MAX: usize = 256;
/// Instances that may exist besides the resident ones: those that describe, rehearse, or replace another one.
const INSTANCES_MARGIN: u32 = 64;
/// Memory mappings of one instance: two of its memory, two of its stack.
const MAPPINGS_PER_INSTANCE: u64 = 4;
/// Memory mappings of everything else.
const MAPPINGS_OF_HOST: u64 = 4096;

/// What an instance may use, and how many there may be.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Memory of one instance, in bytes.
    pub memory_max: usize,
    /// Processor time of one call.
    pub cpu_max: Duration,
    /// Instances that may be kept at a time.
    pub resident_max: u32,
    /// Size of a snapshot, in bytes.
    pub state_max: usize,
    /// Guests that outran their first tick and may run at the same time; the others wait. At least 1.
    pub long_calls_max: usize,
    /// Where compiled code is kept between starts. None keeps it in memory only.
    pub cache_dir: Option<PathBuf>,
    /// Bytes that are kept there at most; what was not used for the longest time goes first.
    pub cache_max: u64,
    /// What compiles. A node is to use a child process.
    pub compiler: Compiler,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            memory_max: 64 * 1024 * 1024,
            cpu_max: Duration::from_millis(100),
            resident_max: 4096,
            state_max: 1024 * 1024,
            long_calls_max: (workers / 2).max(1),
            cache_dir: None,
            cache_max: 1024 * 1024 * 1024,
            compiler: Compiler::default(),
        }
    }
}

impl SandboxConfig {
    /// Bytes that a guest may pass to the host at a time: the largest payload twice.
    pub(super) fn transfer_max(&self) -> usize {
        2 * self.state_max.max(REPLY_BYTES_MAX).max(ARGUMENT_BYTES_MAX)
    }
}

/// Refuses more instances than the kernel lets a process map memory for: it would fail midway, and for everyone.
pub(super) fn check_mappings(resident_max: u32, allowed: u64) -> Result<(), Error> {
    let instances = u64::from(resident_max) + u64::from(INSTANCES_MARGIN);
    let needed = instances * MAPPINGS_PER_INSTANCE + MAPPINGS_OF_HOST;
    if needed > allowed {
        return Err(Error::Mappings { resident_max, needed, allowed });
    }
    Ok(())
}

/// How many mappings a process may have. None where the kernel does not say.
pub(super) fn mappings_allowed() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

/// The engine for this sandbox.
pub(super) fn engine_config(sandbox: &SandboxConfig) -> Config {
    let mut config = code_config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(sandbox)));
    config
}

/// What decides about the code that is made of a component, and no more: a compiler has no use for instances.
pub(super) fn code_config() -> Config {
    let mut config = Config::new();
    config
        .wasm_features(WITHOUT, false)
        .concurrency_support(false)
        .shared_memory(false)
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking)
        // The same state gives the same bytes on every machine.
        .cranelift_nan_canonicalization(true)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        // A stack goes from one object to another one of perhaps another owner.
        .async_stack_zeroing(true)
        .memory_init_cow(true)
        // Only the depth of a trap is of interest, so no maps from code to source are kept.
        .wasm_backtrace_max_frames(NonZeroUsize::new(TRAP_DEPTH_MAX))
        .generate_address_map(false);
    config
}

/// What guests of today's toolchains do without. Asynchronous components are not even compiled in. Several memories in
/// one module are on for the code between two components of a composition alone: the first look refuses modules that
/// have them.
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
    // An instance keeps its stack as long as it lives, so there are as many of these.
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
        // What an ended instance had goes back to the kernel at once.
        .linear_memory_keep_resident(0)
        .table_keep_resident(0)
        .async_stack_keep_resident(0);
    pool
}
