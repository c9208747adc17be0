//! External services for tests and benchmarks: ZooKeeper ensembles, S3 servers, and links that can be cut.
//! It also has the processes and free ports that tests, benchmarks and development tasks build on.
//!
//! Each is a plain process or task on this machine, on free ports of 127.0.0.1 and in temporary folders, and ends
//! when its value is dropped. This crate does not depend on Highlander.

pub mod fault_proxy;
pub mod ministack;
pub mod ports;
pub mod process;
pub mod zookeeper;
