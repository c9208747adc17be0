//! The registry of a standalone node.

pub mod local;
