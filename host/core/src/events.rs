//! Committed changes of objects, in the form that subscribers get them in.
//!
//! A [`frame`] is one event with its [`event_id`], and a [`window`] holds the recent events of an object.
//! [`watchers`] limits the subscribers of a node.

pub mod event_id;
pub mod frame;
pub mod watchers;
pub mod window;

use bytes::Bytes;

use crate::effects::Event;

/// One committed change of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Version that the change created.
    pub version: u64,
    /// Events that the handler published, in order.
    pub events: Vec<Event>,
    /// State after the change.
    pub state: ShownState,
}

/// State of an object as its subscribers get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShownState {
    /// State as JSON. States of more than [`frame::SHOWN_BYTES_MAX`] are omitted.
    Json(Bytes),
    /// The type does not publish its state, the state is not JSON, or the object has none yet.
    Hidden,
    /// The object is deleted.
    Deleted,
}

/// Whether the characters of a name are valid for an event: `[a-z][a-z0-9-]{0,62}`.
#[must_use]
pub fn is_event_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 63
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
