//! What the router needs of a node that has one session for all its life. To be replaced by what a node with sessions
//! has under these names.

use std::sync::Arc;

use super::Node;
use crate::id::ObjectId;
use crate::metrics::Metrics;
use crate::registry::Registry;

impl Node {
    /// The present session, if there is one.
    #[must_use]
    pub fn session(&self) -> Option<Arc<dyn Registry>> {
        Some(Arc::clone(&self.around.registry))
    }

    /// Whether the object is active here, or on its way there.
    #[must_use]
    pub fn is_active(&self, id: &ObjectId) -> bool {
        self.around.table.get(id).is_some()
    }

    /// What the node counts.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.around.metrics
    }
}
