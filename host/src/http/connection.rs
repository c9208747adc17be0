//! Connection state for long-running requests: the node's shutdown stage, the connection's permit, and its activity.

use std::sync::Arc;

use highlander_core::error::{Error, ErrorCode};
use http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::connection_io::{Activity, Streaming};

/// Stage of a node's shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The node accepts requests.
    Open,
    /// The node accepts requests, and its responses direct clients to another node.
    Leaving,
    /// The node accepts no connections, and open ones end.
    Closing,
}

/// Connection over which a request arrived.
#[derive(Debug, Clone)]
pub(super) struct ConnectionHandle {
    activity: Arc<Activity>,
    stage: watch::Receiver<Stage>,
    place: Arc<OwnedSemaphorePermit>,
}

impl ConnectionHandle {
    pub(super) fn new(
        activity: Arc<Activity>,
        stage: watch::Receiver<Stage>,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Self {
        Self { activity, stage, place }
    }

    /// Returns the connection of a request.
    pub(super) fn of(parts: &Parts) -> Result<Self, Error> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Error::new(ErrorCode::Internal, "the request has no connection"))
    }

    /// Returns when the node starts to close its connections.
    pub(super) async fn closing(&mut self) {
        // A dropped sender means the same.
        let _ = self.stage.wait_for(|stage| *stage == Stage::Closing).await;
    }

    /// Whether the client should use another node for its next request.
    pub(super) fn is_leaving(&self) -> bool {
        *self.stage.borrow() != Stage::Open
    }

    /// Marks the connection as sending events while the guard lives.
    pub(super) fn begin_stream(&self) -> Streaming {
        self.activity.begin_stream()
    }

    /// Records that some of the request's body is not read, so that the connection ends after the response.
    pub(super) fn leave_unread(&self) {
        self.activity.leave_unread();
    }

    /// Whether some of a request's body was not read.
    pub(super) fn has_unread_body(&self) -> bool {
        self.activity.has_unread_body()
    }

    /// Returns the connection's permit, to hold after an upgrade from HTTP.
    pub(super) fn place(&self) -> Arc<OwnedSemaphorePermit> {
        Arc::clone(&self.place)
    }
}
