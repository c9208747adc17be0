//! The functions of the host that an object may call: its clock, its log, other objects, alarms and events.
//!
//! In a component they are imports. Natively they are played by a value that the test harness can read and set, so
//! that handlers under test need neither Wasm nor a clock.

/// How much a line of the log matters.
///
/// # Examples
///
/// ```
/// # use highlander_sdk::LogLevel;
/// assert!(LogLevel::Error > LogLevel::Info);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the author, while developing.
    Debug,
    /// Ordinary news.
    Info,
    /// Something that may need attention.
    Warn,
    /// Something went wrong.
    Error,
}

#[cfg(target_family = "wasm")]
mod component;
#[cfg(not(target_family = "wasm"))]
mod limits;
#[cfg(not(target_family = "wasm"))]
mod native;

#[cfg(target_family = "wasm")]
pub(crate) use component::Host;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::{Effects, Host};
