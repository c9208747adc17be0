//! Route of a node's objects to objects on any node. The router implements [`ObjectCaller`].

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use highlander_core::activation::{Answer, Call};
use highlander_core::id::ObjectId;

/// Forwards calls of objects to other objects, on whatever node they are.
#[async_trait]
pub trait ObjectCaller: std::fmt::Debug + Send + Sync + 'static {
    /// Forwards one call to its object and waits for the answer.
    ///
    /// # Cancel safety
    /// A call that has started runs to completion; only the answer is lost.
    async fn call(&self, id: &ObjectId, call: Call) -> Answer;

    /// Returns the object that the running call of `id` waits for, or `None` if there is no such object or it cannot
    /// be determined.
    async fn waits_for(&self, id: &ObjectId) -> Option<ObjectId>;
}

/// Route of a node's objects to others.
#[derive(Debug)]
pub struct OutboundPort(Option<Weak<dyn ObjectCaller>>);

impl OutboundPort {
    /// Creates a port on this route; without one, objects cannot call others.
    #[must_use]
    pub fn new(route: Option<Weak<dyn ObjectCaller>>) -> Self {
        Self(route)
    }

    /// Returns the route while the router exists.
    pub(super) fn route(&self) -> Option<Arc<dyn ObjectCaller>> {
        self.0.as_ref().and_then(Weak::upgrade)
    }
}
