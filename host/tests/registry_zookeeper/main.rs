//! The ZooKeeper registry against real ZooKeeper: its conformance, and every way of going wrong that is known.
//!
//! Each test has servers of its own, in which it can do harm. Nothing here asserts how long something takes, only in
//! which order things happen.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that cannot go on ends, and says why"
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
