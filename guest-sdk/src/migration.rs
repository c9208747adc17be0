//! Reads snapshots, and migrates those of older schema versions.
//!
//! Each struct reads only the snapshots of its own version, and passes older ones to the struct in its
//! `migrate_from`. The author converts old states with `From` or `TryFrom`.

use std::fmt;

use crate::restore_error::{RestoreError, unread};
use crate::state::{ObjectState, StateCodec as _};

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
        return Err(unread(schema_version, S::OLDEST_VERSION, S::SCHEMA_VERSION));
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

#[inline(never)]
#[cold]
fn refused(from: u32, reason: &str) -> RestoreError {
    let to = from.saturating_add(1);
    RestoreError::InvalidSnapshot(format!("from schema version {from} to {to}: {reason}"))
}
