//! The record of an object type, and all decisions about it.
//!
//! The store holds the [`record`], with the [`rollout`] in progress. [`deploy`], [`rollback`], [`removal`],
//! [`repeated`] and [`component_gc`] change it, and [`check`] decides whether a revision may follow another.

pub mod check;
pub mod component_gc;
pub mod deploy;
pub mod record;
pub mod removal;
pub mod repeated;
pub mod rollback;
pub mod rollout;
#[cfg(test)]
mod testing;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode};

/// Upgrade statistics of one revision on this node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UpgradeStats {
    /// Number of objects that read their state or ran a call with it.
    pub succeeded: usize,
    /// Number of objects on which it failed: those that stay on their old code, and those that faulted later.
    pub failed: usize,
    /// Keys of the objects that stay on their old code, with the reason.
    pub pinned: BTreeMap<String, String>,
}

/// Returns the error for a type that has no component.
#[must_use]
pub fn unknown_type(type_name: &str) -> Error {
    let text = format!("no component is deployed for the type {type_name:?}");
    Error::new(ErrorCode::UnknownType, text).with_hint("deploy one: highlander deploy FILE.wasm")
}
