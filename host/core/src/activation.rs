//! Life cycle of one object on a node, from claim to release; enforces S1 to S8.
//!
//! [`machine`] makes all decisions. It is a pure function of its state, an event and the time. The node delivers the
//! events of [`protocol`] to it and performs the actions that it returns.

pub mod effects;
pub mod idempotency;
pub mod machine;
pub mod mailbox;
pub mod protocol;
pub mod reply;

use std::sync::Arc;

use bytes::Bytes;

use crate::call_context::Origin;
use crate::caller::Caller;
use crate::clock::BootTime;
use crate::error::{Error, ErrorCode};
use crate::store::record::{Epoch, Version};
use reply::Reply;

/// Operation that a call requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Handler call.
    Handle {
        /// Handler name, as the caller wrote it.
        handler: Box<str>,
        /// Argument as JSON.
        argument: Bytes,
    },
    /// Handler call that accepts only a query; an update is rejected.
    Query {
        /// Handler name, as the caller wrote it.
        handler: Box<str>,
        /// Argument as JSON.
        argument: Bytes,
    },
    /// Deletion of the object.
    Delete,
    /// End of the object's quarantine.
    Resume,
    /// The object's current position, in the form of a `reset` event; used when a subscription starts.
    Watch {
        /// Whether to include the state, if that is JSON. The object's node sets this according to the type.
        publish_state: bool,
    },
    /// Fires the earliest due alarm, if any, and updates the wake-up index entry. The reply is [`Reply::Woken`].
    Wake,
    /// The object's alarms and messages. The reply is [`Reply::Effects`].
    ShowEffects,
    /// Retries or discards dead letters: the one with this number, or all. The reply is their count.
    DeadLetters {
        /// Action on them.
        action: GivenUpAction,
        /// Number of the dead letter; `None` for all.
        number: Option<u64>,
    },
    /// Retries or discards failed alarms: the one with this number, or all. The reply is their count.
    FailedAlarms {
        /// Action on them.
        action: GivenUpAction,
        /// Number of the failed alarm; `None` for all.
        number: Option<u64>,
    },
}

/// Action of an operator on messages or alarms that were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUpAction {
    /// It is sent or set again.
    Retry,
    /// It is removed.
    Discard,
}

/// Version that the object must be at for the call to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// Any version.
    None,
    /// Exactly this version.
    Version(Version),
    /// One of these versions; with an empty list, no call runs.
    OneOf(Arc<[Version]>),
    /// The object exists: it has been changed and is not deleted.
    Present,
    /// The object has never been changed, or is deleted.
    Absent,
    /// The object was never changed, or is deleted, and is at one of these versions.
    AbsentAt(Arc<[Version]>),
}

/// Read consistency that the caller requests (S4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// Relies on the lease: assumes that this machine's clock runs at about the same rate as the registry's.
    #[default]
    Lease,
    /// Independent of clocks: a read barrier also queries the store.
    Strict,
}

/// Idempotency key that identifies retries of the same call (S7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Key chosen by the caller.
    pub key: Arc<str>,
    /// Fingerprint of the call that the key was used for; see [`idempotency::fingerprint`].
    pub fingerprint: [u8; 8],
}

/// Call to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Requested operation.
    pub operation: Operation,
    /// Principal or object that makes the call.
    pub caller: Caller,
    /// Call chain, message number and trace.
    pub origin: Origin,
    /// Precondition on the object's version.
    pub precondition: Precondition,
    /// Idempotency key, if the caller sent one.
    pub key: Option<IdempotencyKey>,
    /// Requested read consistency.
    pub consistency: Consistency,
    /// Time at which the caller stops waiting.
    pub deadline: BootTime,
}

/// Result of a call that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Reply of the handler, or of the host.
    pub reply: Reply,
    /// Version that the call created or read.
    pub version: Version,
    /// Epoch of that version.
    pub epoch: Epoch,
    /// Revision whose code produced the reply.
    pub revision: u32,
    /// Whether this is the cached answer to an earlier call with the same idempotency key.
    pub replayed: bool,
}

/// Answer to a caller. The error is boxed because most calls succeed.
pub type Answer = Result<Done, Box<Error>>;

/// Reason why an activation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No calls arrived for the idle timeout.
    Idle,
    /// An operator requested it.
    Requested,
    /// The node is shutting down.
    Draining,
    /// Another revision of the type became current.
    Replaced,
    /// Another node owns the object.
    NotOwner,
    /// The node has reached its claim limit.
    NodeFull,
    /// The registry was unavailable when the object was being claimed.
    RegistryUnavailable,
    /// The store was unavailable when the record was being read.
    StoreUnavailable,
    /// The record is damaged, belongs to another object, or has a newer format.
    RecordDamaged,
    /// The code of the object's type is missing or could not be loaded.
    CodeUnavailable,
    /// The store rejected a write.
    StoreDenied,
    /// Another owner committed a newer version.
    Fenced,
    /// The node's lease expired.
    LeaseOver,
    /// The claim is gone although the session is alive.
    ClaimLost,
    /// The session ended, and all its claims with it.
    SessionOver,
    /// The store has been unavailable to this node for so long that another node should take over, despite open
    /// writes.
    GivenUp,
    /// The store has accepted no write of this node for so long that another node should take over, despite open
    /// writes.
    Unwritable,
    /// Another node should take over the object.
    Moved,
}

impl Reason {
    /// Whether the claim already belongs, or is about to pass, to another owner, so that this activation must not
    /// answer any more.
    #[must_use]
    pub fn is_dispossession(self) -> bool {
        matches!(self, Self::ClaimLost | Self::SessionOver) || self.is_for_want_of_store()
    }

    /// Whether the activation ends without waiting for operations in progress, because the store may never answer.
    #[must_use]
    pub fn is_for_want_of_store(self) -> bool {
        matches!(self, Self::GivenUp | Self::Unwritable)
    }

    /// Whether the object continues on another node. From the moment such an end is requested, new calls are
    /// rejected.
    #[must_use]
    pub fn is_departure(self) -> bool {
        matches!(self, Self::Draining | Self::Moved)
    }

    /// Whether outstanding bookkeeping may still be written before the claim is released.
    #[must_use]
    pub fn is_orderly(self) -> bool {
        self.is_departure() || matches!(self, Self::Idle | Self::Requested | Self::Replaced)
    }

    /// Short name for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Requested => "requested",
            Self::Draining => "draining",
            Self::Replaced => "replaced",
            Self::NotOwner => "not-owner",
            Self::NodeFull => "node-full",
            Self::RegistryUnavailable => "registry-unavailable",
            Self::StoreUnavailable => "store-unavailable",
            Self::RecordDamaged => "record-damaged",
            Self::CodeUnavailable => "code-unavailable",
            Self::StoreDenied => "store-denied",
            Self::Fenced => "fenced",
            Self::LeaseOver => "lease-over",
            Self::ClaimLost => "claim-lost",
            Self::SessionOver => "session-over",
            Self::GivenUp => "given-up",
            Self::Unwritable => "unwritable",
            Self::Moved => "moved",
        }
    }
}

/// Returns an error answer.
fn refuse(code: ErrorCode, message: impl Into<String>) -> Answer {
    Err(Box::new(Error::new(code, message)))
}
