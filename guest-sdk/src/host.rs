//! Functions of the host that an object may call: clock, log, other objects, alarms and events.
//!
//! In a component they are imports. In a native build they are a mock that the test harness can read and set, so
//! handlers under test need neither Wasm nor a real clock.

#[cfg(target_family = "wasm")]
mod component;
#[cfg(not(target_family = "wasm"))]
mod effects;
#[cfg(not(target_family = "wasm"))]
mod limits;
#[cfg(not(target_family = "wasm"))]
mod mock;
mod parameters;

#[cfg(target_family = "wasm")]
pub(crate) use component::Host;
#[cfg(not(target_family = "wasm"))]
pub(crate) use mock::Host;
pub use parameters::LogLevel;
pub(crate) use parameters::{CallOptions, whole_ms};
