//! The registry port: who owns what.
//!
//! A claim is the exclusive right to own an object, held under this node's session for as long as that lives.
//! The registry only makes conflicts rare: history stays one line even if it is completely wrong, because the store
//! refuses late writes. It stores nothing of an object.
//! Every adapter passes [`conformance`].

pub mod conformance;
pub mod local;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::clock::BootTime;
use crate::id::ObjectId;

/// Name of a node, unique in its cluster, with a part that is new for every session of it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// A node's name from text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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
    /// This node's session is over, and all its claims with it.
    #[error("the session of this node is over")]
    SessionOver,
    /// The session holds as many claims as it may.
    #[error("the session holds {0} claims, as many as it may")]
    Full(usize),
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

    /// Until when this node may trust its claims. Past it nothing is answered from memory.
    fn lease_until(&self) -> BootTime;

    /// How many claims this session holds.
    fn claim_count(&self) -> usize;

    /// The node that this session is for.
    fn node(&self) -> &NodeId;
}
