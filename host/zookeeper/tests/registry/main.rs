//! The ZooKeeper registry against real ZooKeeper servers: conformance, and every known way to fail.
//!
//! Each test has separate servers and may damage them. No test asserts how long something takes, only the order of
//! events.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that cannot continue fails with the reason"
)]

mod access;
mod agreement;
mod bounds;
mod cluster;
mod conformance;
mod lease;
mod outcomes;
mod reconnects;
mod repairs;
mod servers;
