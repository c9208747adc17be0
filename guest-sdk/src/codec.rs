//! Encoding of stored states: JSON, or a codec that the author provides.
//!
//! Callers always see JSON. A codec affects only the record.

use crate::object::ObjectState;
use crate::reading;
use crate::writing;

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

/// States as JSON objects: the default codec.
///
/// # Examples
///
/// ```
/// # use highlander_sdk::{JsonCodec, StateCodec};
/// assert_eq!(JsonCodec::CONTENT_TYPE, "application/json");
/// ```
#[derive(Debug)]
pub struct JsonCodec;

impl StateCodec for JsonCodec {
    const CONTENT_TYPE: &'static str = "application/json";

    fn encode<S: ObjectState>(state: &S, snapshot: &mut Vec<u8>) -> Result<(), String> {
        writing::append_json(snapshot, state).map_err(|error| error.to_string())
    }

    fn decode<S: ObjectState>(snapshot: &[u8]) -> Result<S, String> {
        if !crate::call::is_object(snapshot) {
            return Err("expected a JSON object".to_owned());
        }
        reading::read_snapshot(snapshot).map_err(|error| error.to_string())
    }
}
