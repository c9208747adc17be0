//! What the Highlander object runtime asks the operating system, for the node and its adapters: the time, and files
//! that nobody else may write.

pub mod clock;
pub mod files;
