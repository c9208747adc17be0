//! Functions of the host that an object may call: clock, log, other objects, alarms and events.
//!
//! In a component they are imports. In a native build they are a mock that the test harness can read and set, so
//! handlers under test need neither Wasm nor a real clock.

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

#[cfg(target_family = "wasm")]
mod component;
#[cfg(not(target_family = "wasm"))]
mod limits;
#[cfg(not(target_family = "wasm"))]
mod mock;

#[cfg(target_family = "wasm")]
pub(crate) use component::Host;
#[cfg(not(target_family = "wasm"))]
pub(crate) use mock::{Effects, Host};
