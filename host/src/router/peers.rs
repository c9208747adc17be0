//! How the router speaks with other nodes: a trait, whose adapter is above it.
//!
//! What matters in a failure is one thing only: whether the call can have reached the other node.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use super::context::Context;
use crate::activation::{Answer, Call};
use crate::catalog::staged::Staged;
use crate::error::Error;
use crate::events::event_id::EventId;
use crate::events::frame::Frame;
use crate::id::{NodeId, ObjectId, TypeName};
use crate::node::list::{Page, Query};
use crate::node::rehearsal::Rehearsed;
use crate::node::revisions::Progress;
use crate::node::whereabouts::Whereabouts;
use crate::registry::members::Member;

/// Why another node gave no answer that could be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing of the request reached it, and nothing ever will.
    #[error("{0}")]
    NotSent(String),
    /// The request may have reached it, and may still take effect.
    #[error("{0}")]
    Interrupted(String),
}

/// What another node answered to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The answer. The owner that an error names is that of [`Error::owner`].
    pub answer: Answer,
    /// The node at which the call was done, where it is not the one that was asked.
    pub owner: Option<NodeId>,
}

/// What another node answered to anything else.
pub type Told<T> = Result<Result<T, Error>, Failure>;

/// What another node tells of an object, until it says why it tells no more.
pub type Events = BoxStream<'static, Result<Frame, String>>;

/// The other nodes.
#[async_trait]
pub trait Peers: fmt::Debug + Send + Sync + 'static {
    /// Brings a call to another node, which may bring it to a further one if `context` leaves a hop.
    ///
    /// # Errors
    /// Where there is no answer by the call's deadline and a little later.
    ///
    /// # Cancel safety
    /// As after [`Failure::Interrupted`].
    async fn call(
        &self,
        to: &Member,
        id: &ObjectId,
        call: &Call,
        context: Context,
    ) -> Result<Heard, Failure>;

    /// Listens to what the owner of an object tells of it: from after `after`, or from where it stands.
    ///
    /// # Errors
    /// Where it does not begin within `patience`, and where the other node does not own the object.
    ///
    /// # Cancel safety
    /// The object may be active all the same.
    async fn watch(
        &self,
        to: &Member,
        id: &ObjectId,
        after: Option<EventId>,
        patience: Duration,
    ) -> Told<Events>;

    /// Asks the owner of an object what it knows of it.
    ///
    /// # Errors
    /// Where there is no answer within `patience`.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    async fn whereabouts(
        &self,
        to: &Member,
        id: &ObjectId,
        patience: Duration,
    ) -> Told<Whereabouts>;

    /// Has the owner of an object deactivate it; whether it was active.
    ///
    /// # Errors
    /// Where there is no answer within `patience`.
    ///
    /// # Cancel safety
    /// The object may be deactivated all the same.
    async fn deactivate(&self, to: &Member, id: &ObjectId, patience: Duration) -> Told<bool>;

    /// Has another node hand its objects over; how many it still has when it answers.
    ///
    /// # Errors
    /// Where there is no answer within `patience`.
    ///
    /// # Cancel safety
    /// The node may drain all the same.
    async fn drain(&self, to: &Member, patience: Duration) -> Told<usize>;

    /// Asks another node which objects of a type are active on it, a page of them.
    ///
    /// # Errors
    /// Where there is no answer within `patience`.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    async fn active(&self, to: &Member, query: &Query, patience: Duration) -> Told<Page>;

    /// Asks another node how far it is with a type.
    ///
    /// # Errors
    /// Where there is no answer within `patience`.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    async fn progress(
        &self,
        to: &Member,
        type_name: &TypeName,
        counts_live: bool,
        patience: Duration,
    ) -> Told<Progress>;

    /// Has another node rehearse a component with these objects.
    ///
    /// # Errors
    /// Where there is no answer within `patience`.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    async fn rehearse(
        &self,
        to: &Member,
        type_name: &TypeName,
        staged: &Staged,
        ids: &[ObjectId],
        patience: Duration,
    ) -> Told<Rehearsed>;

    /// Asks another node how many objects are active on it.
    ///
    /// # Errors
    /// Where there is no answer within `patience`.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    async fn active_count(&self, to: &Member, patience: Duration) -> Told<usize>;
}
