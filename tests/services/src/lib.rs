//! The real parts that tests and benchmarks run against: ZooKeeper ensembles, S3 servers, and links that can be cut.
//!
//! Everything is a plain process or task of this machine, on free ports of 127.0.0.1 and in temporary folders, and
//! ends with the value that stands for it. Nothing of Highlander is used here.

pub mod link;
pub mod ministack;
mod ports;
pub mod zookeeper;
