//! A guest that fails in `describe`: it traps, or does what its embedded word selects: `loop`, `eat` or `garbage`.
//! It is written against the WIT world without the SDK, and must be rejected on upload.

#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the exports generated from the WIT world need it")]

use contract::behavior::{Call, Description, Guest, HandlerError, ObjectId, RestoreError};
use contract::{eat, spin, told, trap};

struct Malformed;

impl Guest for Malformed {
    fn describe() -> Description {
        match told().as_str() {
            "loop" => spin(),
            "eat" => eat(),
            "garbage" => garbage(),
            _ => trap(),
        }
    }

    fn restore(_: ObjectId, _: Option<Vec<u8>>, _: u32) -> Result<(), RestoreError> {
        Ok(())
    }

    fn handle(_: Call) -> Result<Vec<u8>, HandlerError> {
        Ok(b"null".to_vec())
    }

    fn snapshot() -> Vec<u8> {
        b"null".to_vec()
    }
}

/// Invalid names, invalid schemas, and excessively long text.
fn garbage() -> Description {
    let noise = "\u{0}\u{7f}{[\"".repeat(10_000);
    Description {
        name: noise.clone(),
        documentation: noise.clone(),
        schema_version: u32::MAX,
        state_content_type: noise.clone(),
        state_schema: noise,
        handlers: Vec::new(),
        publish_state: false,
    }
}

contract::bindings::export!(Malformed with_types_in contract::bindings);
