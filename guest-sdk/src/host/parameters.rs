//! Parameters of the host's functions, in a component and in the mock.

use std::time::Duration;

/// Severity of a log line.
///
/// # Examples
///
/// ```
/// # use highlander_sdk::LogLevel;
/// assert!(LogLevel::Error > LogLevel::Info);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Information for the author during development.
    Debug,
    /// Normal operation.
    Info,
    /// A condition that may need attention.
    Warn,
    /// A failure.
    Error,
}

/// Options of a call to another object.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallOptions {
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) idempotency_key: Option<String>,
}

/// Returns whole milliseconds, the unit of the WIT world.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
