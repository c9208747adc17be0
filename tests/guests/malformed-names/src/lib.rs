//! A guest whose handlers have reserved, duplicate or invalid names. It is written against the WIT world without
//! the SDK, and must be rejected on upload.

#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the exports generated from the WIT world need it")]

use contract::behavior::{
    Call, Description, Guest, Handler, HandlerError, HandlerKind, ObjectId, RestoreError,
};

struct Malformed;

impl Guest for Malformed {
    fn describe() -> Description {
        let handlers = ["owner", "events", "deactivate", "twice", "twice", "Not A Name", ""];
        Description {
            name: "malformed-names".to_owned(),
            documentation: String::new(),
            schema_version: 1,
            state_content_type: "application/json".to_owned(),
            state_schema: "true".to_owned(),
            handlers: handlers
                .map(|name| Handler {
                    name: name.to_owned(),
                    kind: HandlerKind::Query,
                    documentation: String::new(),
                    argument_schema: "true".to_owned(),
                    reply_schema: "true".to_owned(),
                })
                .to_vec(),
            publish_state: false,
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

contract::bindings::export!(Malformed with_types_in contract::bindings);
