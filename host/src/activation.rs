//! One object's life on this node, from claim to release.
//!
//! [`machine`] decides: a function of its state, an event and the time, without I/O, clock or randomness of its own.
//! [`cell`] is the object's entry in the node's [`table`], [`offer`](mod@offer) brings events to it, and [`task`]
//! performs what the machine decides.
//! The rules of contract S1 to S8 are kept here; which objects exist, and who calls them, is not known here.

pub mod answered;
pub mod cell;
pub mod commit;
pub mod dealings;
pub mod gate;
pub mod machine;
pub mod mailbox;
pub mod offer;
pub mod outward;
pub mod protocol;
pub mod residents;
pub mod surroundings;
pub mod table;
pub mod task;
#[cfg(test)]
pub(crate) mod testing;
pub mod timers;

use std::sync::Arc;

use bytes::Bytes;

use crate::caller::Caller;
use crate::clock::BootTime;
use crate::error::{Code, Error};
use crate::origin::Origin;
use crate::store::record::{Epoch, Version};

/// What is asked of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Run a handler of its type.
    Handle {
        /// The handler's name, as the caller wrote it.
        handler: Box<str>,
        /// The argument, JSON.
        argument: Bytes,
    },
    /// Run a handler of its type that is a query; one that is an update is refused.
    Query {
        /// The handler's name, as the caller wrote it.
        handler: Box<str>,
        /// The argument, JSON.
        argument: Bytes,
    },
    /// Delete it.
    Delete,
    /// End its quarantine.
    Resume,
    /// Say where it stands, as a `reset` does: for those who begin to watch it.
    Watch {
        /// Whether with its state, if that is JSON. Its node sees to it that this is as the type says.
        shows_state: bool,
    },
    /// Give the first alarm that is due, if one is, and see to its entry in the index of those to be woken. Answered
    /// with [`dealings::shown::Woken`].
    Wake,
    /// Show its alarms and messages. Answered with [`dealings::shown::Shown`].
    ShowDealings,
    /// Do something with messages that were given up: the one of this number, or all. Answered with how many.
    DeadLetters {
        /// Whether they are sent anew, or else dropped.
        is_retry: bool,
        /// Which one.
        number: Option<u64>,
    },
    /// Do something with alarms that were given up: the one of this number, or all. Answered with how many.
    FailedAlarms {
        /// Whether they are set anew, or else dropped.
        is_retry: bool,
        /// Which one.
        number: Option<u64>,
    },
}

/// Which version the object must be at for a call to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// Any.
    None,
    /// Exactly this one.
    Version(Version),
    /// One of these; where there are none, no call runs.
    OneOf(Arc<[Version]>),
    /// The object exists: it was changed, and is not deleted.
    Present,
    /// The object was never changed, or is deleted.
    Absent,
}

/// How sure a caller wants to be that what it is told is the newest (contract S4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// As sure as the lease: this machine's clock runs about as fast as the registry's.
    #[default]
    Lease,
    /// Whatever clocks do: the store is asked too.
    Strict,
}

/// How a caller marks a call so that its repetition is recognised (contract S7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The caller's key.
    pub key: Arc<str>,
    /// What the key was given for: see [`answered::fingerprint`].
    pub fingerprint: [u8; 8],
}

/// One call to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What is asked.
    pub operation: Operation,
    /// Who asks.
    pub caller: Caller,
    /// How it came about besides.
    pub origin: Origin,
    /// Under which condition.
    pub precondition: Precondition,
    /// The caller's mark, if it gave one.
    pub key: Option<IdempotencyKey>,
    /// How sure the caller wants to be that an answer is the newest.
    pub consistency: Consistency,
    /// When the caller stops waiting.
    pub deadline: BootTime,
}

/// What a call that ran came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The reply, JSON.
    pub reply: Bytes,
    /// The version that the call made, or saw.
    pub version: Version,
    /// The epoch of that version.
    pub epoch: Epoch,
    /// The revision whose code answered.
    pub revision: u32,
    /// Whether this is the kept answer of an earlier call with the same idempotency key.
    pub replayed: bool,
}

/// What a caller gets. Boxed, because most calls have no error to carry.
pub type Answer = Result<Done, Box<Error>>;

/// Why an activation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nobody called for the idle timeout.
    Idle,
    /// An operator asked for it.
    Requested,
    /// The node is shutting down.
    Draining,
    /// Another revision of the type became current.
    Replaced,
    /// Another node owns the object.
    NotOwner,
    /// The node holds as many claims as it may.
    NodeFull,
    /// The registry did not answer when the object was to be claimed.
    RegistryUnavailable,
    /// The store did not answer when the record was to be read.
    StoreUnavailable,
    /// The record is damaged, of another object, or of a newer format.
    RecordDamaged,
    /// No code is there for the object's type, or it could not be loaded.
    CodeUnavailable,
    /// The store refused a write.
    StoreDenied,
    /// Another owner committed past this one.
    Fenced,
    /// The node's lease ran out.
    LeaseOver,
    /// The claim is gone though the session lives.
    ClaimLost,
    /// The session is over, and all its claims with it.
    SessionOver,
    /// The store has not answered the node for so long that another node is to try, whatever is open here.
    GivenUp,
    /// Another node is to have it.
    Moved,
}

impl Reason {
    /// Whether the activation ends because its claim is another's by now, or is to be: it answers nothing any more.
    #[must_use]
    pub fn is_dispossession(self) -> bool {
        matches!(self, Self::ClaimLost | Self::SessionOver | Self::GivenUp)
    }

    /// Whether the object goes on elsewhere: calls are turned away from the moment that this is asked for.
    #[must_use]
    pub fn is_departure(self) -> bool {
        matches!(self, Self::Draining | Self::Moved)
    }

    /// Whether what is left to be written may still be written before the claim is given back.
    #[must_use]
    pub fn is_orderly(self) -> bool {
        self.is_departure() || matches!(self, Self::Idle | Self::Requested | Self::Replaced)
    }

    /// The reason in a word: for logs and metrics.
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
            Self::Moved => "moved",
        }
    }
}

/// An answer that is an error.
fn refuse(code: Code, message: impl Into<String>) -> Answer {
    Err(Box::new(Error::new(code, message)))
}
