//! Reads snapshots, and migrates those of older schema versions.
//!
//! Each struct reads only the snapshots of its own version, and passes older ones to the struct in its
//! `migrate_from`. The author converts old states with `From` or `TryFrom`.

use std::fmt;

use crate::codec::StateCodec as _;
use crate::object::ObjectState;

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

/// Older state that converts into the next version: any type with `From` or `TryFrom` between them.
///
/// # Examples
///
/// ```
/// struct Old(i64);
/// struct New(u64);
///
/// impl TryFrom<Old> for New {
///     type Error = std::num::TryFromIntError;
///
///     fn try_from(old: Old) -> Result<New, Self::Error> {
///         Ok(New(old.0.try_into()?))
///     }
/// }
///
/// fn can_be_migrated<Old: highlander_sdk::MigrateInto<New>, New>() {}
/// can_be_migrated::<Old, New>();
/// ```
#[diagnostic::on_unimplemented(
    message = "a state of type `{Self}` cannot be migrated to `{New}`",
    label = "has no conversion into `{New}`",
    note = "write `impl From<{Self}> for {New}`, or `TryFrom` if a state may be rejected"
)]
pub trait MigrateInto<New> {
    /// Converts the state into the newer version.
    ///
    /// # Errors
    ///
    /// The reason why the state cannot be converted. The object then keeps its old state.
    fn migrate_into(self) -> Result<New, String>;
}

impl<Old, New> MigrateInto<New> for Old
where
    Old: TryInto<New, Error: fmt::Display>,
{
    fn migrate_into(self) -> Result<New, String> {
        self.try_into().map_err(|reason| reason.to_string())
    }
}

/// Reads a snapshot that was written with `schema_version`, and migrates it if it is older than `S`.
pub(crate) fn read<S: ObjectState>(
    schema_version: u32,
    snapshot: &[u8],
) -> Result<S, RestoreError> {
    if schema_version > S::SCHEMA_VERSION {
        return Err(RestoreError::NewerSchema { known: S::SCHEMA_VERSION });
    }
    if schema_version < S::OLDEST_VERSION {
        return Err(unread::<S>(schema_version));
    }
    if schema_version < S::SCHEMA_VERSION {
        return S::migrate(schema_version, snapshot);
    }
    S::Codec::decode(snapshot).map_err(RestoreError::InvalidSnapshot)
}

/// Reads an older snapshot as an `Old`, which may itself be migrated from an older one, and converts it to the next
/// version.
#[doc(hidden)]
pub fn migrate<Old, New>(from_version: u32, snapshot: &[u8]) -> Result<New, RestoreError>
where
    Old: ObjectState + MigrateInto<New>,
    New: ObjectState,
{
    read::<Old>(from_version, snapshot)?
        .migrate_into()
        .map_err(|reason| refused(Old::SCHEMA_VERSION, &reason))
}

/// Returns the error for a snapshot of an unsupported older version.
pub(crate) fn unread<S: ObjectState>(schema_version: u32) -> RestoreError {
    too_old(schema_version, S::OLDEST_VERSION, S::SCHEMA_VERSION)
}

#[inline(never)]
#[cold]
fn too_old(found: u32, oldest: u32, newest: u32) -> RestoreError {
    let read = if oldest == newest {
        format!("only version {newest}")
    } else {
        format!("versions {oldest} to {newest}")
    };
    RestoreError::InvalidSnapshot(format!(
        "its schema version is {found}, but this code reads {read}"
    ))
}

#[inline(never)]
#[cold]
fn refused(from: u32, reason: &str) -> RestoreError {
    let to = from.saturating_add(1);
    RestoreError::InvalidSnapshot(format!("from schema version {from} to {to}: {reason}"))
}
