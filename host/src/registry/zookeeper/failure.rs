//! What came of an operation that did not succeed, by what the caller has to do next.
//!
//! The client library's errors are read here and nowhere else.

use zookeeper_client::Error as ClientError;

use crate::registry::Error;

/// Why an operation did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no answer: it may have taken place, and may still.
    Unknown(String),
    /// The session is over.
    Over,
    /// It is not allowed, and did not take place.
    Denied(String),
    /// It did not take place, for a reason that the caller knows what to do with.
    Refused(Reason),
}

/// Why an operation was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    NoNode,
    NodeExists,
    BadVersion,
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NoNode => Self::Refused(Reason::NoNode),
            ClientError::NodeExists => Self::Refused(Reason::NodeExists),
            ClientError::BadVersion => Self::Refused(Reason::BadVersion),
            ClientError::SessionExpired | ClientError::ClientClosed => Self::Over,
            ClientError::NoAuth
            | ClientError::AuthFailed
            | ClientError::InvalidAcl
            | ClientError::QuotaExceeded
            | ClientError::NoChildrenForEphemerals
            | ClientError::BadArguments(_) => Self::Denied(error.to_string()),
            // Among them the loss of the connection, which has two names. Where it is only likely that nothing
            // happened, as with `Throttled`, to look costs little.
            other => Self::Unknown(other.to_string()),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unknown(why) => Self::Unavailable(why),
            Failure::Over => Self::SessionOver,
            Failure::Denied(why) => Self::Denied(why),
            Failure::Refused(reason) => Self::Unavailable(format!("unexpected: {reason:?}")),
        }
    }
}
