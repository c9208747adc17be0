//! Decisions of the Highlander object runtime, and the data that they are about.
//!
//! Nothing here does I/O, reads a clock, draws random numbers or starts a task: callers pass the time and random
//! values in. The ports to everything that does are traits: [`registry`], [`store`] and [`engine`].
//!
//! The modules, from the bottom up; no module uses one above it:
//!
//! - ids, limits, time, backoff, log quotas, memory, background work, errors, callers, the context of a call
//!   ([`call_context`]), a handler's effects other than its reply ([`effects`]), and shares of processor time
//!   ([`schedule`])
//! - [`events`]: committed changes in the form that subscribers get them in
//! - the ports, with the data that they exchange: [`registry`], [`store`], [`engine`]
//! - [`catalog`] (the record of a type) and [`activation`] (the lifecycle of one object)
//! - [`placement`], [`routing`] and [`rollout`]: policies of the cluster

pub mod activation;
pub mod background;
pub mod backoff;
pub mod call_context;
pub mod caller;
pub mod catalog;
pub mod clock;
pub mod effects;
pub mod engine;
pub mod error;
pub mod events;
pub mod id;
pub mod json;
pub mod limits;
pub mod log_quota;
pub mod memory;
pub mod placement;
pub mod registry;
pub mod rollout;
pub mod routing;
pub mod schedule;
pub mod store;
