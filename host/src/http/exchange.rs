//! What a request that lasts has to know of its connection: that the node closes it, that it keeps its place among
//! all connections, and that its bytes are read.

use std::sync::Arc;

use http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::wire::{Activity, Streaming};
use crate::error::{Code, Error};

/// The connection that a request came on.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    activity: Arc<Activity>,
    closing: watch::Receiver<()>,
    place: Arc<OwnedSemaphorePermit>,
}

impl Exchange {
    pub(super) fn new(
        activity: Arc<Activity>,
        closing: watch::Receiver<()>,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Self {
        Self { activity, closing, place }
    }

    /// That of a request.
    pub(super) fn of(parts: &Parts) -> Result<Self, Error> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Error::new(Code::Internal, "the request came without a connection"))
    }

    /// Returns when the node closes its connections.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn closing(&mut self) {
        // A sender that is gone means the same.
        let _ = self.closing.changed().await;
    }

    /// The connection sends events as long as the guard lives.
    pub(super) fn begin_stream(&self) -> Streaming {
        self.activity.begin_stream()
    }

    /// The connection's place, for what goes on after it is no more HTTP.
    pub(super) fn place(&self) -> Arc<OwnedSemaphorePermit> {
        Arc::clone(&self.place)
    }
}
