//! Routing metadata of a call: the number of hops. Received hop counts are validated at the edge.

/// Routing metadata of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Context {
    /// Number of times the call has been forwarded: 0 for a call from a client.
    pub hops: u8,
}

impl Context {
    /// Returns the context with one more hop.
    #[must_use]
    pub fn forwarded(self) -> Self {
        Self { hops: self.hops.saturating_add(1) }
    }
}
