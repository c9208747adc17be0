//! One object in memory: its state, and the calls on it.
//!
//! The component and the test harness both drive objects through this, so that a test sees what the host will see.
//! Undoing a rejected call is not here: the host restores the last snapshot.

use std::cell::Cell;
use std::fmt;

use crate::JsonObject;
use crate::call::{CallError, cannot_be_json, is_object};
use crate::context::{Context, ObjectId};
use crate::host::Host;
use crate::object::Object;

/// Why a snapshot cannot be read. The object keeps it, and answers nothing until other code reads it.
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
    /// The snapshot was written with a newer schema than this code knows.
    NewerSchema {
        /// The newest schema version that this code reads.
        known: u32,
    },
    /// The snapshot does not fit. The text says where and why.
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

/// A restored object.
#[derive(Debug)]
pub(crate) struct Instance<O> {
    ctx: Context,
    state: O,
    /// Size of the last snapshot: the next one is about as long, which saves growing its buffer step by step.
    snapshot_bytes: Cell<usize>,
}

impl<O: Object> Instance<O> {
    /// The object `id` with the state in `snapshot`, or with the defaults of its type where there is none.
    pub(crate) fn restore(
        id: ObjectId,
        host: Host,
        snapshot: Option<&[u8]>,
        schema_version: u32,
    ) -> Result<Instance<O>, RestoreError> {
        let state = match snapshot {
            None => O::default(),
            Some(bytes) => decode(bytes, schema_version)?,
        };
        let snapshot_bytes = Cell::new(snapshot.map_or(128, <[u8]>::len));
        Ok(Instance { ctx: Context::new(id, host), state, snapshot_bytes })
    }

    /// Runs one handler. After an error the instance has to be restored before it is used again.
    pub(crate) fn handle(
        &mut self,
        handler: &str,
        argument: &[u8],
        version: u64,
    ) -> Result<Vec<u8>, CallError> {
        self.ctx.set_version(version);
        self.state.dispatch(&self.ctx, handler, argument)
    }

    /// The whole state, so that `restore` reads it back.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.snapshot_bytes.get() + 64);
        if let Err(error) = serde_json::to_writer(&mut bytes, &self.state) {
            cannot_be_json("state", &error);
        }
        self.snapshot_bytes.set(bytes.len());
        bytes
    }

    /// The state itself.
    #[cfg(all(feature = "testing", not(target_family = "wasm")))]
    pub(crate) fn state(&self) -> &O {
        &self.state
    }
}

fn decode<O: Object>(bytes: &[u8], schema_version: u32) -> Result<O, RestoreError> {
    if schema_version > O::SCHEMA_VERSION {
        return Err(RestoreError::NewerSchema { known: O::SCHEMA_VERSION });
    }
    if !is_object(bytes) {
        return Err(RestoreError::InvalidSnapshot("expected a JSON object".to_owned()));
    }
    // The first half is known to the compiler: a type at version 1 carries no code for migrations.
    if O::SCHEMA_VERSION > 1 && schema_version < O::SCHEMA_VERSION {
        let migrated = migrate::<O>(bytes, schema_version)?;
        return serde_json::from_slice(&migrated).map_err(invalid_snapshot);
    }
    serde_json::from_slice(bytes).map_err(invalid_snapshot)
}

/// Brings an older snapshot into today's shape.
///
/// Raising the version is how an author says that fields are gone for good, so unknown ones are dropped here. In a
/// snapshot of the same version an unknown field is an error instead: dropping it would lose data without a word.
fn migrate<O: Object>(bytes: &[u8], schema_version: u32) -> Result<Vec<u8>, RestoreError> {
    let mut state: JsonObject = serde_json::from_slice(bytes).map_err(invalid_snapshot)?;
    O::migrate(schema_version, &mut state).map_err(RestoreError::InvalidSnapshot)?;
    state.retain(|field, _| O::FIELDS.contains(&field.as_str()));
    serde_json::to_vec(&state).map_err(invalid_snapshot)
}

#[inline(never)]
#[cold]
#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` calls")]
fn invalid_snapshot(error: serde_json::Error) -> RestoreError {
    RestoreError::InvalidSnapshot(error.to_string())
}
