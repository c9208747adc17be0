//! A guest with a valid description that it violates afterwards. It is written against the WIT world without the
//! SDK.
//!
//! The key selects the violation: `trap-in-`, `spin-in-` or `eat-in-`, followed by `restore`, `call` or `snapshot`;
//! or `refuse-restore`, `newer-schema`, `garbage-reply`, `garbage-snapshot` or `unknown-handler`. With any other
//! key it behaves correctly: it counts its calls.

#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the exports generated from the WIT world need it")]

use std::cell::{Cell, RefCell};

use contract::behavior::{
    Call, Description, Guest, Handler, HandlerError, HandlerKind, ObjectId, RestoreError,
};
use contract::{eat, spin, trap};

thread_local! {
    static KEY: RefCell<String> = const { RefCell::new(String::new()) };
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

struct Malformed;

impl Guest for Malformed {
    fn describe() -> Description {
        Description {
            name: "malformed-replies".to_owned(),
            documentation: String::new(),
            schema_version: 1,
            state_content_type: "application/json".to_owned(),
            state_schema: "true".to_owned(),
            handlers: vec![Handler {
                name: "count".to_owned(),
                kind: HandlerKind::Update,
                documentation: String::new(),
                argument_schema: "true".to_owned(),
                reply_schema: "{\"type\":\"integer\"}".to_owned(),
            }],
            publish_state: false,
        }
    }

    fn restore(id: ObjectId, snapshot: Option<Vec<u8>>, _: u32) -> Result<(), RestoreError> {
        match id.key.as_str() {
            "trap-in-restore" => trap(),
            "spin-in-restore" => spin(),
            "eat-in-restore" => eat(),
            "refuse-restore" => {
                return Err(RestoreError::InvalidSnapshot("it does not like it".to_owned()));
            }
            "newer-schema" => return Err(RestoreError::NewerSchema(1)),
            _ => {}
        }
        let calls = snapshot.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
        CALLS.set(calls.unwrap_or(0));
        KEY.set(id.key);
        Ok(())
    }

    fn handle(_: Call) -> Result<Vec<u8>, HandlerError> {
        CALLS.set(CALLS.get() + 1);
        match KEY.with_borrow(String::clone).as_str() {
            "trap-in-call" => trap(),
            "spin-in-call" => spin(),
            "eat-in-call" => eat(),
            "garbage-reply" => Ok(b"{\xff".to_vec()),
            "unknown-handler" => Err(HandlerError::UnknownHandler),
            _ => Ok(CALLS.get().to_string().into_bytes()),
        }
    }

    fn snapshot() -> Vec<u8> {
        match KEY.with_borrow(String::clone).as_str() {
            "trap-in-snapshot" => trap(),
            "spin-in-snapshot" => spin(),
            "eat-in-snapshot" => eat(),
            "garbage-snapshot" => b"{\xff".to_vec(),
            _ => CALLS.get().to_string().into_bytes(),
        }
    }
}

contract::bindings::export!(Malformed with_types_in contract::bindings);
