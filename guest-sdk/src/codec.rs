//! How a state is written: as JSON, or in whatever way its author chooses.
//!
//! What callers see is JSON in any case: the codec is between the object and its record alone.

use crate::object::ObjectState;
use crate::reading;
use crate::writing;

/// A way of writing states: `#[state(codec = ..)]` names a type that implements it.
///
/// The host stores what is written as it is, and says in the record which content type it has. A state that is not JSON
/// is stored in base64, and is not shown to those who watch the object (`shows_state`).
///
/// A state in another codec is one of another shape: raise the version, and keep the older struct with the codec that
/// it had. Formats that do not name their fields, as postcard, know neither fields that are left out nor other names
/// of them, so that with them every change of the struct needs a new version.
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
    /// Media type of what is written, such as `application/cbor`.
    const CONTENT_TYPE: &'static str;

    /// Writes a state into an empty buffer. The same state should give the same bytes.
    ///
    /// # Errors
    ///
    /// Why it cannot be written. The call that made it ends in a trap then.
    fn encode<S: ObjectState>(state: &S, snapshot: &mut Vec<u8>) -> Result<(), String>;

    /// Reads a state that this codec wrote with the same version of its shape.
    ///
    /// # Errors
    ///
    /// Why it cannot be read. The object keeps it, and answers nothing until other code reads it.
    fn decode<S: ObjectState>(snapshot: &[u8]) -> Result<S, String>;
}

/// States as JSON objects: what every state is unless it says otherwise.
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
