//! Highlander's host: objects with one owner, a durable state, and sandboxed behaviour.
//!
//! Read from the bottom up: names, limits, trusted files, time, errors, callers, how a call came about ([`origin`]),
//! what a handler asks for besides its reply ([`effects`]) and metrics; [`events`] (what watchers are told); the three
//! ports [`registry`], [`store`] and [`engine`] with their adapters; [`catalog`] (one type's code) and [`activation`]
//! (one object's life); [`node`] (all objects of this process); [`router`] (which node a call is for); [`rollout`],
//! [`rehearsal`], [`removal`], [`collection`] and [`waking`] (what nodes do by themselves, or together); [`http`] and
//! [`cli`] at the edge.
//! Nothing below knows anything above.

pub mod activation;
pub mod caller;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod collection;
pub mod config;
pub mod effects;
pub mod engine;
pub mod error;
pub mod events;
pub mod files;
pub mod http;
pub mod id;
pub mod json;
pub mod limits;
pub mod metrics;
pub mod node;
pub mod origin;
pub mod registry;
pub mod rehearsal;
pub mod removal;
pub mod rollout;
pub mod router;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod waking;
