//! Foundation of the system tests: nodes as processes, clients, and histories that can be checked.
//!
//! The host's library is deliberately not used: a test sees what a user sees, over HTTP, on the command line and
//! in the data directory. Every wait has a bound, and all randomness has a printed seed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a harness that cannot continue panics with the reason"
)]

pub mod artifacts;
pub mod browser;
pub mod client;
pub mod cluster;
pub mod command;
mod compiled_code;
pub mod corpus;
pub mod history;
pub mod iterations;
pub mod load;
pub mod node;
pub mod plain;
pub mod problem;
pub mod process;
pub mod reply;
pub mod script;
pub mod seed;
pub mod tokens;
pub mod wait;
pub mod watching;
pub mod wire;
