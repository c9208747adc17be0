//! The system tests: nodes as processes, real components, real HTTP, and the binary's own commands.
//!
//! Tests run concurrently and share nothing: each has a separate node, port and data directory. One binary holds
//! them all, because linking costs more than running most of them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that cannot continue panics with the reason"
)]

mod acceptance;
mod application;
mod background_work;
mod browser;
mod call_policies;
mod callers;
mod cluster;
mod commands;
mod compiling;
mod configuration;
mod connections;
mod corpus;
mod crashes;
mod data;
mod deployments;
mod documents;
mod events;
mod fair_shares;
mod files;
mod full_stores;
mod hostile;
mod idempotency;
mod idle;
mod memory;
mod migrations;
mod object_calls;
mod openapi;
mod problems;
mod projects;
mod python;
mod quotas;
mod restore_failures;
mod stopping;
mod stores;
mod updates;
mod uploads;
