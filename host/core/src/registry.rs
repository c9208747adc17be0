//! The registry port: object claims, node sessions and cluster membership.
//!
//! A claim is the exclusive right to own an object. It is held under a node's session and ends with it. The
//! registry only makes ownership conflicts rare. Correctness does not depend on it: each object keeps a single
//! history even if the registry is completely wrong, because the store rejects writes from stale owners (fencing).
//! The registry holds no object state. Every adapter passes the conformance suite of `highlander-testing`.

pub mod agreement;
pub mod claims;
pub mod members;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::BootTime;
use crate::id::{NodeId, ObjectId, TypeName};
use claims::{ClaimKey, Granularity};
use members::{Members, NodeStatus};

/// Outcome of an attempt to claim an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The claim belongs to this session; it may have been granted earlier.
    Granted,
    /// Another session holds the claim.
    Held(NodeId),
}

/// Failure of a registry operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The registry is unreachable or did not answer in time. The operation may or may not have taken effect.
    #[error("the registry does not respond: {0}")]
    Unavailable(String),
    /// The registry rejects this node. Retrying does not help.
    #[error("the registry rejects this node: {0}")]
    Denied(String),
    /// This node's session has ended, and all its claims with it.
    #[error("the session of this node is over")]
    SessionOver,
    /// The session has reached its claim limit.
    #[error("the session holds {0} claims, which is its limit")]
    Full(usize),
}

/// Event that a session reports to its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// These claims were lost while the session lives, for example because an operator removed them. The node must
    /// end the activations that they covered.
    ClaimsLost(Vec<ClaimKey>),
    /// The lease had expired and is valid again, with all claims that were not reported lost.
    LeaseResumed,
    /// The node must read this type again: another revision may be current.
    TypeChanged(TypeName),
    /// The node must read every type again: notifications may have been missed.
    TypesUncertain,
    /// The session has ended, and all its claims with it. No event follows.
    SessionOver,
}

/// One node's session with the registry: grants claims, locates owners, and reports how long this node may trust
/// its own claims.
#[async_trait]
pub trait Registry: fmt::Debug + Send + Sync + 'static {
    /// Claims `id` for this session. Idempotent.
    ///
    /// # Errors
    /// After [`Error::Unavailable`] the claim may have been granted: call again, or [`release`](Self::release).
    ///
    /// # Cancel safety
    /// If the future is dropped, the claim may have been granted.
    async fn claim(&self, id: &ObjectId) -> Result<Claimed, Error>;

    /// Releases the claim of `id`. Idempotent; a claim of another session is not affected.
    ///
    /// A claim that covers several objects stays with the session until [`hand_over`](Self::hand_over).
    ///
    /// # Errors
    /// After an error the claim may remain held until the session ends.
    ///
    /// # Cancel safety
    /// If the future is dropped, the claim may remain held until the session ends.
    async fn release(&self, id: &ObjectId) -> Result<(), Error>;

    /// Returns the node that holds the claim of `id`, if any.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: try again.
    async fn owner(&self, id: &ObjectId) -> Result<Option<NodeId>, Error>;

    /// Returns the end of the lease: the time until which this node may trust its claims. After it, the node must
    /// not answer from memory. The value never decreases while the session lives, and never increases after the
    /// session has ended.
    fn lease_until(&self) -> BootTime;

    /// Returns the number of claims that this session holds.
    fn claim_count(&self) -> usize;

    /// Returns the node to which this session belongs.
    fn node(&self) -> &NodeId;

    /// Returns the granularity that maps objects to claims.
    fn granularity(&self) -> Granularity;

    /// Returns the keys of the claims that this session holds.
    fn held(&self) -> Vec<ClaimKey>;

    /// Releases a whole claim if no object is claimed under it. Returns `false` if one is.
    ///
    /// # Errors
    /// After an error the claim may remain held until the session ends.
    ///
    /// # Cancel safety
    /// If the future is dropped, the claim may remain held until the session ends.
    async fn hand_over(&self, key: ClaimKey) -> Result<bool, Error>;

    /// Returns the live nodes, including this one.
    fn members(&self) -> Members;

    /// Returns once the live nodes differ from `known`. Never completes after the session has ended.
    ///
    /// # Cancel safety
    /// No change is lost.
    async fn members_changed(&self, known: &Members);

    /// Returns the live nodes at some moment after the call started. The result includes every join and every
    /// departure up to the call, however far [`members`](Self::members) lags behind. Costs a committed write.
    ///
    /// # Errors
    /// The registry does not answer, or the session has ended. The membership is unknown then.
    async fn confirm_members(&self) -> Result<Members, Error>;

    /// Publishes this node's status to the other nodes.
    ///
    /// # Errors
    /// After an error the other nodes may not see it yet: call again.
    ///
    /// # Cancel safety
    /// If the future is dropped, the other nodes may or may not see the new status.
    async fn set_status(&self, status: NodeStatus) -> Result<(), Error>;

    /// Notifies all other nodes to read a type again. This node may be notified too.
    ///
    /// # Errors
    /// After an error the other nodes may not be notified. They read all types again when they reconnect.
    ///
    /// # Cancel safety
    /// If the future is dropped, the other nodes may or may not be notified.
    async fn publish_type_change(&self, type_name: &TypeName) -> Result<(), Error>;

    /// Waits for the next session event. Supports a single consumer.
    ///
    /// # Cancel safety
    /// No event is lost.
    async fn next_event(&self) -> SessionEvent;

    /// Closes the session. Returns when its claims are free or nothing more can be done to free them.
    ///
    /// # Cancel safety
    /// If the future is dropped, the session still ends, but later.
    async fn leave(&self);
}

/// Opens sessions of one node, each after the previous one has ended.
#[async_trait]
pub trait Sessions: fmt::Debug + Send + Sync + 'static {
    /// Opens a session under a name that no earlier session had.
    ///
    /// # Errors
    /// The registry is unreachable or rejects this node.
    ///
    /// # Cancel safety
    /// If the future is dropped, a session that was already opened ends automatically.
    async fn begin(&self) -> Result<Arc<dyn Registry>, Error>;
}
