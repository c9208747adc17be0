//! [`RestoreError`]: reasons why a snapshot cannot be read.

use std::fmt;

/// Reason why a snapshot cannot be read. The object keeps it, and answers no calls until other code can read it.
///
/// # Examples
///
/// ```
/// # use highlander_sdk::RestoreError;
/// let error = RestoreError::NewerSchema { known: 1 };
/// assert_eq!(error.to_string(), "the snapshot was written with a newer schema than version 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// The snapshot was written with a newer schema version than this code supports.
    NewerSchema {
        /// Newest schema version that this code reads.
        known: u32,
    },
    /// The snapshot is invalid. The text says where and why.
    InvalidSnapshot(String),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::NewerSchema { known } => {
                write!(f, "the snapshot was written with a newer schema than version {known}")
            }
            RestoreError::InvalidSnapshot(reason) => {
                f.write_str("invalid snapshot: ")?;
                f.write_str(reason)
            }
        }
    }
}

impl std::error::Error for RestoreError {}

/// Returns the error for a snapshot of an unsupported older version.
#[inline(never)]
#[cold]
pub(crate) fn unread(found: u32, oldest: u32, newest: u32) -> RestoreError {
    let read = if oldest == newest {
        format!("only version {newest}")
    } else {
        format!("versions {oldest} to {newest}")
    };
    RestoreError::InvalidSnapshot(format!(
        "its schema version is {found}, but this code reads {read}"
    ))
}
