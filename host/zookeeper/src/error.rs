//! Failures of ZooKeeper operations, grouped by what the caller must do next.
//!
//! This is the only place that interprets the client library's errors.

use highlander_core::registry::Error;
use zookeeper_client::Error as ClientError;

/// Failure of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No answer: the operation may have taken effect, and may still do so.
    Unknown(String),
    /// The session has ended.
    Over,
    /// The operation is not permitted and did not take effect.
    Denied(String),
    /// The operation did not take effect, for a reason that the caller can handle.
    Refused(Reason),
}

/// Reason for a rejected operation.
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
            // This includes the two errors for a lost connection. Errors after which the operation probably did
            // not take effect, such as `Throttled`, are included because checking is cheap.
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
            Failure::Refused(reason) => {
                Self::Unavailable(format!("unexpected response: {reason:?}"))
            }
        }
    }
}

/// Converts a failure during session setup into an error that names the znode.
pub(super) fn refused(path: &str, failure: Failure) -> Error {
    match failure {
        Failure::Denied(why) => Error::Denied(format!(
            "the znode {path} in ZooKeeper: {why} (are the credentials the same as those of the other nodes?)"
        )),
        Failure::Unknown(why) => Error::Unavailable(format!("the znode {path}: {why}")),
        other => other.into(),
    }
}
