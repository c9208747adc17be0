//! Life cycle of one object on this node: the shell around the machine of `highlander_core::activation`.
//!
//! [`slot`] is the object's entry in the node's [`table`], [`dispatch`](mod@dispatch) delivers events to its machine,
//! and [`driver`] performs the machine's actions.

pub mod alarm_timers;
mod backoff;
pub mod context;
pub mod dispatch;
pub mod driver;
pub mod instance_cache;
pub mod outbound;
pub mod rate_limit;
pub mod route;
pub mod slot;
pub mod state_memory;
pub mod table;
#[cfg(test)]
pub(crate) mod testing;
