//! The default encoding of stored states: JSON.

use crate::reading;
use crate::state::{ObjectState, StateCodec};
use crate::writing;

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
