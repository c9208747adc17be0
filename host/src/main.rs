//! The `highlander` binary: its allocator and its way into the library.
//!
//! Everything else is in the library, where tests reach it.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A thread of the allocator's own gives memory back to the system a second after it became free, so that a node that
/// was busy once is small again when its objects are torn down.
#[allow(unsafe_code, reason = "the allocator reads its settings from a symbol of this name")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_SETTINGS: &[u8; 63] =
    b"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:1000\0";

fn main() -> ExitCode {
    highlander_host::cli::main(highlander_host::server::run)
}
