//! Services of the operating system for the Highlander node and its adapters: clocks, files that only their owner may
//! change, and the amount of memory.

pub mod clock;
pub mod files;
pub mod memory;
