//! Port through which the router calls other nodes. Its adapter is in a higher layer.
//!
//! A failure distinguishes only whether the request can have reached the other node.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use highlander_core::activation::{Answer, Call};
use highlander_core::error::Error;
use highlander_core::events::event_id::EventId;
use highlander_core::events::frame::Frame;
use highlander_core::id::{NodeId, ObjectId, TypeName};
use highlander_core::registry::members::Member;
use highlander_core::rollout::{Progress, ProgressQuery};

use super::context::Context;
use crate::node::list::{Page, Query};
use crate::wire::objects::ObjectLocation;
use crate::wire::rehearsals::{Rehearsed, Staged};

/// Failure to get a valid answer from another node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing of the request has reached the node, and nothing will.
    #[error("{0}")]
    NotSent(String),
    /// The request may have reached the node, and may still take effect.
    #[error("{0}")]
    Interrupted(String),
}

/// Answer to a call, and the node that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutedAnswer {
    /// The answer. An error names the owner in [`Error::owner`].
    pub answer: Answer,
    /// Node that executed the call, if it is not the one that was asked.
    pub owner: Option<NodeId>,
}

impl RoutedAnswer {
    /// Returns the answer of the node that was asked.
    #[must_use]
    pub fn here(answer: Answer) -> Self {
        Self { answer, owner: None }
    }
}

/// Another node's answer to any other request.
pub type PeerResult<T> = Result<Result<T, Error>, Failure>;

/// Stream of an object's events from another node; it ends with the reason for its end.
pub type Events = BoxStream<'static, Result<Frame, String>>;

/// The other nodes.
#[async_trait]
pub trait Peers: fmt::Debug + Send + Sync + 'static {
    /// Forwards a call to another node, which may forward it again if `context` has a hop left.
    ///
    /// # Errors
    /// No answer arrives by the call's deadline plus a short grace period.
    ///
    /// # Cancel safety
    /// If the future is dropped, the call may still take effect, as after [`Failure::Interrupted`].
    async fn call(
        &self,
        to: &Member,
        id: &ObjectId,
        call: &Call,
        context: Context,
    ) -> Result<RoutedAnswer, Failure>;

    /// Subscribes to an object's events at its owner, after the event `after` or from its current state.
    ///
    /// # Errors
    /// The stream does not start within `timeout`, or the other node does not own the object.
    ///
    /// # Cancel safety
    /// If the future is dropped, the object may have been activated.
    async fn watch(
        &self,
        to: &Member,
        id: &ObjectId,
        after: Option<EventId>,
        timeout: Duration,
    ) -> PeerResult<Events>;

    /// Queries the owner of an object for its location and status.
    ///
    /// # Errors
    /// No answer arrives within `timeout`.
    async fn locate(
        &self,
        to: &Member,
        id: &ObjectId,
        timeout: Duration,
    ) -> PeerResult<ObjectLocation>;

    /// Requests that the owner of an object deactivate it. Returns whether it was active.
    ///
    /// # Errors
    /// No answer arrives within `timeout`.
    ///
    /// # Cancel safety
    /// If the future is dropped, the object may still be deactivated.
    async fn deactivate(&self, to: &Member, id: &ObjectId, timeout: Duration) -> PeerResult<bool>;

    /// Requests that another node drain. Returns the number of objects that it still holds when it answers.
    ///
    /// # Errors
    /// No answer arrives within `timeout`.
    ///
    /// # Cancel safety
    /// If the future is dropped, the node may still drain.
    async fn drain(&self, to: &Member, timeout: Duration) -> PeerResult<usize>;

    /// Queries another node for a page of its active objects of a type.
    ///
    /// # Errors
    /// No answer arrives within `timeout`.
    async fn active(&self, to: &Member, query: &Query, timeout: Duration) -> PeerResult<Page>;

    /// Queries another node for its progress with a type's roll-out.
    ///
    /// # Errors
    /// No answer arrives within `timeout`.
    async fn progress(
        &self,
        to: &Member,
        type_name: &TypeName,
        query: ProgressQuery,
        timeout: Duration,
    ) -> PeerResult<Progress>;

    /// Requests that another node rehearse a component with these objects.
    ///
    /// # Errors
    /// No answer arrives within `timeout`.
    async fn rehearse(
        &self,
        to: &Member,
        type_name: &TypeName,
        staged: &Staged,
        ids: &[ObjectId],
        timeout: Duration,
    ) -> PeerResult<Rehearsed>;

    /// Queries another node for its number of active objects.
    ///
    /// # Errors
    /// No answer arrives within `timeout`.
    async fn active_count(&self, to: &Member, timeout: Duration) -> PeerResult<usize>;
}
