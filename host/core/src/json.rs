//! JSON validation: input from callers and components is checked before it is stored or forwarded.
//! Data is forwarded byte for byte. [`canonical`](mod@canonical) compares values.

pub mod canonical;

/// Whether `bytes` are exactly one JSON value in UTF-8, with optional white space around it.
#[must_use]
pub fn is_json(bytes: &[u8]) -> bool {
    // Parsing a raw value checks grammar and UTF-8 in one pass, and allocates nothing.
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok()
}
