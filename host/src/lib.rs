//! Highlander's host: objects with one owner, durable state, and sandboxed behaviour.
//!
//! The layers, from the bottom up; no module depends on one above it:
//!
//! - names, limits, trusted files, time, errors, callers, the context of a call ([`call_context`]), a handler's effects
//!   other than its reply ([`effects`]), and metrics
//! - [`events`]: committed changes for subscribers
//! - the three ports [`registry`], [`store`] and [`engine`], with their adapters
//! - [`catalog`] (the code of one type) and [`activation`] (the lifecycle of one object)
//! - [`node`]: all objects of this process
//! - [`router`]: the node that handles a call
//! - [`rollout`], [`rehearsal`], [`removal`], [`component_gc`] and [`wakeups`]: background work of nodes, alone or
//!   together
//! - [`http`] and [`cli`]: the edge

pub mod activation;
pub mod catalog;
pub mod cli;
pub mod component_gc;
pub mod config;
pub mod events;
pub mod http;
pub mod metrics;
pub mod node;
pub mod registry;
pub mod rehearsal;
pub mod removal;
pub mod rollout;
pub mod router;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod wakeups;
