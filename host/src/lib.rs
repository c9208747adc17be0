//! Highlander: objects with one owner in the cluster, durable state, and sandboxed behaviour.
//!
//! [`runtime`] is the way in for programs that embed it; [`server`] is the node as a process. The decisions are in
//! [`core`], and each adapter of a port is a crate of its own. The layers of this crate, from the bottom up; no module
//! depends on one above it:
//!
//! - [`wire`]: documents of the HTTP API
//! - [`metrics`], [`telemetry`], and files with a [`secret`]
//! - [`lane`]: threads that run guests
//! - [`events`]: distribution of committed changes to subscribers of this node
//! - [`mod@registry`] of a standalone node, and supervision of the [`store`]
//! - [`catalog`] (the code of all types) and [`activation`] (performs what the machine of an object decides)
//! - [`node`]: all objects of this process
//! - [`router`]: the node that handles a call
//! - [`rollout`], [`rehearsal`], [`removal`], [`component_gc`] and [`wakeups`]: background work of nodes, alone or
//!   together
//! - [`config`], [`http`], [`runtime`], [`cli`] and [`server`]: the edge, and the wiring of all
//!
//! Without the Cargo feature `node`, only [`wire`], [`secret`] and [`cli`] are left: the client of a node.

pub use highlander_core as core;
#[cfg(feature = "embedded")]
pub use highlander_embedded as embedded;
#[cfg(feature = "s3")]
pub use highlander_s3 as s3;
#[cfg(feature = "node")]
pub use highlander_wasmtime as wasmtime;
#[cfg(feature = "zookeeper")]
pub use highlander_zookeeper as zookeeper;

#[cfg(feature = "node")]
pub mod activation;
#[cfg(feature = "node")]
pub mod catalog;
pub mod cli;
#[cfg(feature = "node")]
pub mod component_gc;
#[cfg(feature = "node")]
pub mod config;
#[cfg(feature = "node")]
pub mod events;
#[cfg(feature = "node")]
pub mod http;
#[cfg(feature = "node")]
pub mod lane;
#[cfg(feature = "node")]
pub mod metrics;
#[cfg(feature = "node")]
pub mod node;
#[cfg(feature = "node")]
pub mod pump;
#[cfg(feature = "node")]
pub mod registry;
#[cfg(feature = "node")]
pub mod rehearsal;
#[cfg(feature = "node")]
pub mod removal;
#[cfg(feature = "node")]
pub mod rollout;
#[cfg(feature = "node")]
pub mod router;
#[cfg(feature = "node")]
pub mod runtime;
pub mod secret;
#[cfg(feature = "node")]
pub mod server;
#[cfg(feature = "node")]
pub mod store;
#[cfg(feature = "node")]
pub mod telemetry;
#[cfg(feature = "node")]
pub mod wakeups;
pub mod wire;
