//! Traits of a state: [`ObjectState`], which the derive macro implements, and [`StateCodec`], the encoding of its
//! stored form. Each names the other.
//!
//! Callers always see JSON. A codec affects only the record.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::restore_error::{RestoreError, unread};

/// State of an object. Implemented by `#[derive(ObjectState)]`.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// /// How often something happened.
/// #[derive(ObjectState)]
/// #[state(version = 2)]
/// struct Counter {
///     #[state(default = 10)]
///     value: u64,
/// }
///
/// assert_eq!(Counter::default().value, 10);
/// assert_eq!(Counter::SCHEMA_VERSION, 2);
/// assert_eq!(<Counter as ObjectState>::DOCUMENTATION, "How often something happened.");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the state of an object",
    label = "has no `#[derive(ObjectState)]`",
    note = "put `#[derive(ObjectState)]` on `struct {Self}`"
)]
pub trait ObjectState: Default + Serialize + DeserializeOwned + JsonSchema + 'static {
    /// Version of the state's schema, from 1: `#[state(version = 2)]`.
    const SCHEMA_VERSION: u32;

    /// Doc comment of the struct.
    const DOCUMENTATION: &'static str;

    /// Encoding of stored states: `#[state(codec = ..)]`, JSON by default.
    type Codec: StateCodec;

    /// Oldest schema version whose snapshots can be read, through the structs that `#[state(migrate_from = ..)]`
    /// names.
    const OLDEST_VERSION: u32 = Self::SCHEMA_VERSION;

    /// Reads a snapshot of a version from `OLDEST_VERSION` to the one before `SCHEMA_VERSION`.
    #[doc(hidden)]
    fn migrate(from_version: u32, snapshot: &[u8]) -> Result<Self, RestoreError> {
        let _ = snapshot;
        Err(unread(from_version, Self::OLDEST_VERSION, Self::SCHEMA_VERSION))
    }
}

/// Encoding of stored states. `#[state(codec = ..)]` names a type that implements it.
///
/// The host stores the encoded bytes unchanged, and records their content type. A state that is not JSON is stored
/// as base64, and is not published to subscribers (`publish_state`).
///
/// A change of the codec is a change of the schema: raise the version, and keep the older struct with its old
/// codec. Formats without field names, such as postcard, support neither missing fields nor aliases. With them,
/// every change of the struct needs a new version.
///
/// # Examples
///
/// With the crate `postcard` as a dependency:
///
/// ```
/// use highlander_sdk::prelude::*;
/// use highlander_sdk::testing::Harness;
/// use highlander_sdk::StateCodec;
///
/// /// Compact, and without names.
/// struct Postcard;
///
/// impl StateCodec for Postcard {
///     const CONTENT_TYPE: &'static str = "application/x-postcard";
///
///     fn encode<S: ObjectState>(state: &S, snapshot: &mut Vec<u8>) -> Result<(), String> {
///         *snapshot = postcard::to_allocvec(state).map_err(|error| error.to_string())?;
///         Ok(())
///     }
///
///     fn decode<S: ObjectState>(snapshot: &[u8]) -> Result<S, String> {
///         match postcard::take_from_bytes(snapshot) {
///             Ok((state, [])) => Ok(state),
///             Ok((_, rest)) => Err(format!("{} bytes are left over", rest.len())),
///             Err(error) => Err(error.to_string()),
///         }
///     }
/// }
///
/// #[derive(ObjectState)]
/// #[state(codec = Postcard)]
/// struct Picture {
///     pixels: Bytes,
/// }
///
/// #[object]
/// impl Picture {}
///
/// let mut picture = Harness::<Picture>::new();
/// picture.call("put", json!({ "pixels": "/wAA" })).unwrap();
/// assert_eq!(picture.snapshot_bytes(), [3, 0xff, 0, 0]);
/// assert_eq!(picture.snapshot(), json!({ "pixels": "/wAA" }));
/// ```
pub trait StateCodec {
    /// Media type of encoded states, such as `application/cbor`.
    const CONTENT_TYPE: &'static str;

    /// Encodes a state into an empty buffer. The same state should give the same bytes.
    ///
    /// # Errors
    ///
    /// The reason why the state cannot be encoded. The call that produced it then ends in a trap.
    fn encode<S: ObjectState>(state: &S, snapshot: &mut Vec<u8>) -> Result<(), String>;

    /// Decodes a state that this codec encoded with the same schema version.
    ///
    /// # Errors
    ///
    /// The reason why the snapshot cannot be decoded. The object keeps it, and answers no calls until other code
    /// can read it.
    fn decode<S: ObjectState>(snapshot: &[u8]) -> Result<S, String>;
}

/// Type that a field of a state can have.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be in the state of an object",
    label = "cannot be stored",
    note = "put `#[data]` on its definition; errors about `serde` and `schemars` for the same type have the same cause"
)]
pub trait Storable {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + JsonSchema> Storable for T {}

/// Compiles only for types that can be stored.
#[doc(hidden)]
pub fn state_field<T: Storable>() {}

/// Returns a state with its defaults.
#[doc(hidden)]
pub fn new<S: ObjectState>() -> S {
    S::default()
}
