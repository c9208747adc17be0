//! What travels with a call from node to node and is not part of it: how often it was forwarded.
//! It comes from outside and is checked where it enters.

/// How a call came to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Context {
    /// How often it was forwarded already: 0 for a call that comes from a client.
    pub hops: u8,
}

impl Context {
    /// The same, once more forwarded.
    #[must_use]
    pub fn forwarded(self) -> Self {
        Self { hops: self.hops.saturating_add(1) }
    }
}
