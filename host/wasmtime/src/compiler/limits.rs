//! Limits of a compilation, and of its result.

use std::time::Duration;

/// Size limit for the machine code of one component; several times the need of the largest one.
pub(crate) const CODE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Limits of one compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Processor time of all threads together, and also the elapsed time.
    pub time_max: Duration,
    /// Address space of the compiling process in bytes, including its own code.
    pub memory_max: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { time_max: Duration::from_secs(20), memory_max: 1024 * 1024 * 1024 }
    }
}
