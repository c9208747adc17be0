//! The last event of a stream.

use serde::{Deserialize, Serialize};

/// Data of the event [`CLOSED`](highlander_core::events::frame::CLOSED).
#[derive(Debug, Serialize, Deserialize)]
pub struct Closed {
    /// Explanation for people.
    pub detail: String,
    /// Reason for programs, such as `moved`.
    pub reason: String,
}
