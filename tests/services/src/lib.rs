//! External services for tests and benchmarks: ZooKeeper ensembles, S3 servers, and links that can be cut.
//!
//! Each is a plain process or task on this machine, on free ports of 127.0.0.1 and in temporary folders, and ends
//! when its value is dropped. This crate does not depend on Highlander.

pub mod fault_proxy;
pub mod ministack;
mod ports;
pub mod zookeeper;
