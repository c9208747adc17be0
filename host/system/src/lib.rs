//! Services of the operating system for the Highlander node and its adapters: clocks, files that only their owner may
//! change, the amount of memory, and the priority of guest threads.

pub mod clock;
pub mod files;
pub mod guest_thread;
pub mod memory;
