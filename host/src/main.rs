//! The `highlander` binary: sets the allocator and calls the library.
//!
//! All other code is in the library, where tests can reach it.

use std::process::ExitCode;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A background thread of the allocator returns memory to the system one second after it is freed, so that a node
/// shrinks once its objects are unloaded.
#[cfg(feature = "jemalloc")]
#[allow(unsafe_code, reason = "the allocator reads its settings from a symbol of this name")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_SETTINGS: &[u8; 63] =
    b"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:1000\0";

#[cfg(feature = "node")]
fn main() -> ExitCode {
    highlander::cli::main(highlander::server::run)
}

#[cfg(not(feature = "node"))]
fn main() -> ExitCode {
    highlander::cli::main()
}
