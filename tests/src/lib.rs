//! What the system tests stand on: nodes as processes, clients, and histories that can be judged.
//!
//! The host's library is not used here on purpose: a test sees what a user sees, over HTTP, on the command line and in
//! the data directory. Everything that waits has a bound, and everything random has a printed seed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a harness that cannot go on ends its test, and says why"
)]

pub mod artifacts;
pub mod browser;
pub mod client;
pub mod cluster;
pub mod command;
pub mod history;
pub mod load;
pub mod node;
pub mod plain;
pub mod problem;
pub mod process;
pub mod rounds;
pub mod script;
pub mod seed;
pub mod tokens;
pub mod wait;
pub mod watching;
pub mod wire;
