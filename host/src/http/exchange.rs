//! What a request that lasts has to know of its connection: that the node closes it, that it keeps its place among
//! all connections, and that its bytes are read.

use std::sync::Arc;

use http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::wire::{Activity, Streaming};
use crate::error::{Code, Error};

/// How far a node is with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Requests are taken.
    Open,
    /// Requests are taken, and clients are told to go elsewhere with the next ones.
    Leaving,
    /// No connection is taken any more, and those that there are end.
    Closing,
}

/// The connection that a request came on.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    activity: Arc<Activity>,
    stage: watch::Receiver<Stage>,
    place: Arc<OwnedSemaphorePermit>,
}

impl Exchange {
    pub(super) fn new(
        activity: Arc<Activity>,
        stage: watch::Receiver<Stage>,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Self {
        Self { activity, stage, place }
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
        let _ = self.stage.wait_for(|stage| *stage == Stage::Closing).await;
    }

    /// Whether the client is to go elsewhere with its next request.
    pub(super) fn is_leaving(&self) -> bool {
        *self.stage.borrow() != Stage::Open
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
