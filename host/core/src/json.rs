//! JSON validation: input from callers and components is checked before it is stored or forwarded.
//! Data is forwarded byte for byte. [`canonical`](mod@canonical) compares values.

use bytes::Bytes;
use serde::Serialize;

pub mod canonical;

/// Whether `bytes` are exactly one JSON value in UTF-8, with optional white space around it.
#[must_use]
pub fn is_json(bytes: &[u8]) -> bool {
    // Parsing a raw value checks grammar and UTF-8 in one pass, and allocates nothing.
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok()
}

/// Encodes a document of the host as JSON.
///
/// # Panics
/// If a member cannot be encoded, such as a map whose keys are not text. No document of the host has one.
#[must_use]
pub fn encode(document: &impl Serialize) -> Bytes {
    serde_json::to_vec(document).expect("a document of the host can be encoded as JSON").into()
}
