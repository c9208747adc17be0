//! A guest that does harm when it is asked what it is: it traps, or what it was told: `loop`, `eat` or `garbage`.
//! It is written against the contract alone, and to be refused when it is uploaded.

#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the exports that are generated from the contract need it")]

use contract::behavior::{Call, Description, Guest, ObjectId, Rejection, RestoreError};
use contract::{eat, spin, told, trap};

struct Liar;

impl Guest for Liar {
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

    fn handle(_: Call) -> Result<Vec<u8>, Rejection> {
        Ok(b"null".to_vec())
    }

    fn snapshot() -> Vec<u8> {
        b"null".to_vec()
    }
}

/// Names that are none, schemas that are none, and more text than anybody reads.
fn garbage() -> Description {
    let noise = "\u{0}\u{7f}{[\"".repeat(10_000);
    Description {
        name: noise.clone(),
        documentation: noise.clone(),
        schema_version: u32::MAX,
        state_content_type: noise.clone(),
        state_schema: noise,
        handlers: Vec::new(),
        shows_state: false,
    }
}

contract::bindings::export!(Liar with_types_in contract::bindings);
