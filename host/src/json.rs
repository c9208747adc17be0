//! Whether bytes are JSON: what comes in from callers and from components is checked before it is stored or passed on.
//! What is passed on is passed on byte for byte. Whether two texts are one value, [`canonical`](mod@canonical) says.

pub mod canonical;

/// Whether `bytes` are one JSON value in UTF-8, with nothing but white space around it.
#[must_use]
pub fn is_json(bytes: &[u8]) -> bool {
    // Reading a raw value checks grammar and UTF-8, in one pass, and builds nothing.
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok()
}
