//! Test doubles of the ports, and the conformance suites that their adapters pass. No part of the product.
//!
//! - [`registry`], [`store`] and [`engine`]: what every adapter of the port must do
//! - [`memory`]: a store in memory, with injectable faults
//! - [`files`]: temporary files of any mode
//! - [`fake_engine`]: an engine whose components are written in Rust

pub mod engine;
pub mod fake_engine;
pub mod files;
pub mod memory;
pub mod registry;
pub mod store;
