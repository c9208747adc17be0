//! The registry port: who owns what, and which nodes there are.
//!
//! A claim is the exclusive right to own an object, held under a node's session for as long as that lives.
//! The registry only makes conflicts rare: history stays one line even if it is completely wrong, because the store
//! refuses late writes. It stores nothing of an object.
//! Every adapter passes [`conformance`].

pub mod agreement;
pub mod claims;
pub mod conformance;
pub mod local;
pub mod members;
pub mod zookeeper;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::clock::BootTime;
use crate::id::{NodeId, ObjectId, TypeName};
use claims::{ClaimKey, Granularity};
use members::{Members, Standing};

/// What came of trying to claim an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The claim is this session's, now or already before.
    Granted,
    /// Another session holds it.
    Held(NodeId),
}

/// Why a registry could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or gave no answer in time; whether the operation took place is not known.
    #[error("the registry does not answer: {0}")]
    Unavailable(String),
    /// It answered, and will not have this node: nothing that repetition mends.
    #[error("the registry refuses: {0}")]
    Denied(String),
    /// This node's session is over, and all its claims with it.
    #[error("the session of this node is over")]
    SessionOver,
    /// The session holds as many claims as it may.
    #[error("the session holds {0} claims, as many as it may")]
    Full(usize),
}

/// What a session has to tell its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// These claims are gone though the session lives, as when an operator removed them: what they covered ends.
    ClaimsLost(Vec<ClaimKey>),
    /// The lease was over and holds again, with all claims that were not reported lost.
    LeaseResumed,
    /// Look again at this type: another revision may be current.
    TypeChanged(TypeName),
    /// Look again at every type: notices may have been missed.
    TypesUncertain,
    /// The session is over, and all its claims with it. Nothing follows.
    SessionOver,
}

/// Grants claims, says who owns what, and until when this node may trust its own claims.
///
/// One value is one node's session.
#[async_trait]
pub trait Registry: fmt::Debug + Send + Sync + 'static {
    /// Claims `id` for this session. Idempotent.
    ///
    /// # Errors
    /// After [`Error::Unavailable`] the claim may have been granted: call again, or [`release`](Self::release).
    ///
    /// # Cancel safety
    /// As after an error: the claim may have been granted.
    async fn claim(&self, id: &ObjectId) -> Result<Claimed, Error>;

    /// Gives the claim back. Idempotent; a claim of another session is left alone.
    ///
    /// A claim that covers several objects stays with the session until [`hand_over`](Self::hand_over).
    ///
    /// # Errors
    /// After an error the claim may still be held, until the session ends.
    ///
    /// # Cancel safety
    /// As after an error.
    async fn release(&self, id: &ObjectId) -> Result<(), Error>;

    /// Who holds the claim of `id`, if anybody does.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: try again.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    async fn owner(&self, id: &ObjectId) -> Result<Option<NodeId>, Error>;

    /// Until when this node may trust its claims. Past it nothing is answered from memory. Never falls while the
    /// session lives, and never rises again once it is over.
    fn lease_until(&self) -> BootTime;

    /// How many claims this session holds.
    fn claim_count(&self) -> usize;

    /// The node that this session is for.
    fn node(&self) -> &NodeId;

    /// Which claim covers which object.
    fn granularity(&self) -> Granularity;

    /// The keys of the claims that this session holds.
    fn held(&self) -> Vec<ClaimKey>;

    /// Gives a whole claim back, if no object is claimed under it: `false` where one is.
    ///
    /// # Errors
    /// After an error the claim may still be held, until the session ends.
    ///
    /// # Cancel safety
    /// As after an error.
    async fn hand_over(&self, key: ClaimKey) -> Result<bool, Error>;

    /// The live nodes, this one among them.
    fn members(&self) -> watch::Receiver<Members>;

    /// The live nodes at a moment after this was asked for: every node that had joined or left by then is taken into
    /// account, however far [`members`](Self::members) is behind. It costs a committed write.
    ///
    /// # Errors
    /// Where the registry does not answer, or the session is over: nothing is known then.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    async fn confirm_members(&self) -> Result<Members, Error>;

    /// Tells the other nodes what they may expect of this one.
    ///
    /// # Errors
    /// After an error they may not know yet: call again.
    ///
    /// # Cancel safety
    /// As after an error.
    async fn set_standing(&self, standing: Standing) -> Result<(), Error>;

    /// Tells all other nodes to look again at a type; this one may be told too.
    ///
    /// # Errors
    /// After an error they may not know; they look again by themselves when their connection is made anew.
    ///
    /// # Cancel safety
    /// As after an error.
    async fn announce(&self, type_name: &TypeName) -> Result<(), Error>;

    /// Waits for the next notice. For one consumer.
    ///
    /// # Cancel safety
    /// No notice is lost.
    async fn next_notice(&self) -> Notice;

    /// Ends the session in order, and returns when its claims are free or nothing more can be done for that.
    ///
    /// # Cancel safety
    /// The session ends all the same, later.
    async fn leave(&self);
}

/// Begins sessions of one node, one after another as each ends.
#[async_trait]
pub trait Sessions: fmt::Debug + Send + Sync + 'static {
    /// Begins a session, under a name that no session before it had.
    ///
    /// # Errors
    /// Where the registry cannot be reached or refuses this node.
    ///
    /// # Cancel safety
    /// A session that was begun ends by itself.
    async fn begin(&self) -> Result<Arc<dyn Registry>, Error>;
}
