//! Highlander: objects with one owner in the cluster, durable state, and sandboxed behaviour.
//!
//! [`runtime`] is the way in for programs that embed it; [`server`] is the node as a process. The decisions are in
//! [`core`], and each adapter of a port is a crate of its own. The layers of this crate, from the bottom up; no module
//! depends on one above it:
//!
//! - [`wire`]: documents of the HTTP API; [`metrics`] and [`telemetry`]
//! - [`events`]: distribution of committed changes to subscribers of this node
//! - [`mod@registry`] of a standalone node, and supervision of the [`store`]
//! - [`catalog`] (the code of all types) and [`activation`] (performs what the machine of an object decides)
//! - [`node`]: all objects of this process
//! - [`router`]: the node that handles a call
//! - [`rollout`], [`rehearsal`], [`removal`], [`component_gc`] and [`wakeups`]: background work of nodes, alone or
//!   together
//! - [`config`], [`http`], [`runtime`], [`cli`] and [`server`]: the edge, and the wiring of all

pub use highlander_core as core;
#[cfg(feature = "embedded")]
pub use highlander_embedded as embedded;
#[cfg(feature = "s3")]
pub use highlander_s3 as s3;
pub use highlander_wasmtime as wasmtime;
#[cfg(feature = "zookeeper")]
pub use highlander_zookeeper as zookeeper;

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
pub mod runtime;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod wakeups;
pub mod wire;
