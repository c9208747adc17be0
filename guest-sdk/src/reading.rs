//! Deserializes JSON into the types of an object: arguments, states, and replies of other objects.
//!
//! A value that its type cannot hold exactly is rejected with a reason, and never rounded or dropped: numbers that
//! `Json` would round, and duplicate names in an object. A number is an integer by its value, as in JSON Schema:
//! `5.0` is 5. `reading/reader.rs` is the deserializer, `reading/numbers.rs` the arithmetic, `reading/names.rs` the
//! search for duplicate names.

mod names;
mod numbers;
mod reader;

use serde::de::{DeserializeOwned, Error as _};

use self::reader::{AS_DECLARED, PASSED_OVER, Reader};

/// Deserializes the argument of a call, or any other external input.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    check_names(json)?;
    read_as::<T, AS_DECLARED>(json)
}

/// Deserializes a snapshot. The SDK has written it, so it has no duplicate names.
pub(crate) fn read_snapshot<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    read_as::<T, AS_DECLARED>(json)
}

/// Deserializes the reply of another object, and ignores unknown fields.
pub(crate) fn read_reply<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    check_names(json)?;
    read_as::<T, PASSED_OVER>(json)
}

fn read_as<T: DeserializeOwned, const UNKNOWN: bool>(json: &[u8]) -> Result<T, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(json);
    let read = T::deserialize(Reader::<_, UNKNOWN>(&mut json))?;
    json.end()?;
    Ok(read)
}

#[inline(never)]
fn check_names(json: &[u8]) -> Result<(), serde_json::Error> {
    match names::twice(json) {
        None => Ok(()),
        Some(name) => Err(serde_json::Error::custom(format_args!(
            "the name {:?} occurs twice in one object",
            names::shown(&name)
        ))),
    }
}

/// Returns the length of the string that `json` begins with, including both quotation marks.
fn text_length(json: &[u8]) -> usize {
    let mut is_escaped = false;
    let ends = |byte: &u8| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    };
    json.iter().skip(1).position(ends).map_or(json.len(), |length| length + 2)
}

#[cfg(test)]
mod tests;
