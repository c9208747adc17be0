//! Services of the operating system for the Highlander node and its adapters: clocks, and files that only their owner
//! may change.

pub mod clock;
pub mod files;
