//! Errors of creating the engine.

/// Reason why the engine cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// wasmtime rejects the configuration, or cannot reserve address space for the instances.
    #[error("cannot create a sandbox for {resident_max} instances of {memory_max} bytes: {reason}")]
    Sandbox {
        /// Requested number of instances.
        resident_max: u32,
        /// Memory of each instance.
        memory_max: usize,
        /// Error message of wasmtime.
        reason: String,
    },
    /// The kernel allows fewer memory mappings than the instances need.
    #[error(
        "{resident_max} instances need {needed} memory mappings, but vm.max_map_count is {allowed}"
    )]
    Mappings {
        /// Requested number of instances.
        resident_max: u32,
        /// Mappings that they need.
        needed: u64,
        /// Mappings that the kernel allows a process.
        allowed: u64,
    },
    /// The ticker thread cannot be started.
    #[error("cannot start the ticker thread")]
    Ticker(#[source] std::io::Error),
}
