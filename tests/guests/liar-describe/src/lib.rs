//! A guest that traps when it is asked what it is.
//! It is written against the contract alone, and to be refused when it is uploaded.

#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the exports that are generated from the contract need it")]

use self::bindings::exports::highlander::object::behavior::{
    Call, Description, Guest, ObjectId, Rejection, RestoreError,
};

#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from the contract"
)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "object" });
}

struct Liar;

impl Guest for Liar {
    fn describe() -> Description {
        core::arch::wasm32::unreachable()
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

bindings::export!(Liar with_types_in bindings);
