//! A later revision of the counter that fails for some objects. It is written against the WIT world without the
//! SDK, because SDK code never sees the key during a restore.
//!
//! The first word of the key selects the failure. `trap-` traps in `restore`, `loop-` never returns from it, and
//! `eat-` allocates memory there until none is left. `refuse-` reports an invalid snapshot, and `garbage-` does so
//! with a long text that is hardly readable. `first-` restores and then traps in every handler; `first-loop-`,
//! `first-eat-` and `first-garbage-` fail there in the other ways. With any other key it behaves like counter-v2,
//! and reads and writes the same state. If a test has written the word `migrates` into the component, it has the
//! next schema version, so every restore is a migration.

#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the exports generated from the WIT world need it")]

use std::cell::RefCell;

use contract::behavior::{
    Call, Description, Guest, Handler, HandlerError, HandlerKind, ObjectId, Rejection, RestoreError,
};
use contract::{eat, spin, told, trap};
use serde::{Deserialize, Serialize};

const NOTHING: &str = r#"{"type":"null"}"#;
const NUMBER: &str = r#"{"type":"integer","format":"uint64","minimum":0}"#;
/// Schema of the state for serialization, as the SDK generates it.
const STATE: &str = r#"{"type":"object","properties":{
    "value":{"type":"integer","format":"uint64","minimum":0},
    "changes":{"type":"integer","format":"uint64","minimum":0}
},"required":["value","changes"],"additionalProperties":false}"#;
/// Schema of the state for deserialization: missing fields take their defaults.
const GIVEN_STATE: &str = r#"{"type":"object","properties":{
    "value":{"type":"integer","format":"uint64","minimum":0},
    "changes":{"type":"integer","format":"uint64","minimum":0}
},"additionalProperties":false}"#;

/// Name, kind, argument schema and reply schema.
const HANDLERS: &[(&str, HandlerKind, &str, &str)] = &[
    ("get", HandlerKind::Query, NOTHING, STATE),
    ("put", HandlerKind::Update, GIVEN_STATE, NOTHING),
    ("increment", HandlerKind::Update, NOTHING, NUMBER),
    ("add", HandlerKind::Update, NUMBER, NUMBER),
    ("decrement", HandlerKind::Update, NOTHING, NUMBER),
    ("value", HandlerKind::Query, NOTHING, NUMBER),
    ("changes", HandlerKind::Query, NOTHING, NUMBER),
];

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct State {
    value: u64,
    changes: u64,
}

thread_local! {
    static KEY: RefCell<String> = const { RefCell::new(String::new()) };
    static STATE_NOW: RefCell<State> = const { RefCell::new(State { value: 0, changes: 0 }) };
}

struct Faulty;

impl Guest for Faulty {
    fn describe() -> Description {
        Description {
            name: "counter".to_owned(),
            documentation: "A number that goes up and down, with faults on request.".to_owned(),
            schema_version: if told() == "migrates" { 2 } else { 1 },
            state_content_type: "application/json".to_owned(),
            state_schema: GIVEN_STATE.to_owned(),
            handlers: HANDLERS.iter().map(described).collect(),
            publish_state: false,
        }
    }

    fn restore(id: ObjectId, snapshot: Option<Vec<u8>>, _: u32) -> Result<(), RestoreError> {
        match fault(&id.key) {
            "trap" => trap(),
            "loop" => spin(),
            "eat" => eat(),
            "refuse" => {
                let why = format!("{} does not take this state", id.key);
                return Err(RestoreError::InvalidSnapshot(why));
            }
            "garbage" => {
                return Err(RestoreError::InvalidSnapshot("\u{0}\u{1b}[2J\u{202e}".repeat(5_000)));
            }
            _ => {}
        }
        let state = match snapshot {
            None => State::default(),
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| RestoreError::InvalidSnapshot(error.to_string()))?,
        };
        STATE_NOW.set(state);
        KEY.set(id.key);
        Ok(())
    }

    fn handle(call: Call) -> Result<Vec<u8>, HandlerError> {
        if let Some(rest) = KEY.with_borrow(|key| key.strip_prefix("first-").map(str::to_owned)) {
            match fault(&rest) {
                "loop" => spin(),
                "eat" => eat(),
                "garbage" => return Ok(b"{\xff".to_vec()),
                _ => trap(),
            }
        }
        STATE_NOW.with_borrow_mut(|state| handle(state, &call))
    }

    fn snapshot() -> Vec<u8> {
        STATE_NOW.with_borrow(written)
    }
}

fn described(&(name, kind, argument, reply): &(&str, HandlerKind, &str, &str)) -> Handler {
    Handler {
        name: name.to_owned(),
        kind,
        documentation: String::new(),
        argument_schema: argument.to_owned(),
        reply_schema: reply.to_owned(),
    }
}

/// Returns the first word of the key, or an empty string if the key has only one word.
fn fault(key: &str) -> &str {
    key.split_once('-').map_or("", |(fault, _)| fault)
}

fn handle(state: &mut State, call: &Call) -> Result<Vec<u8>, HandlerError> {
    match call.handler.as_str() {
        "get" => Ok(written(state)),
        "put" => {
            *state = argument(call)?;
            Ok(written(&()))
        }
        "increment" => change(state, state.value.checked_add(1), "overflow"),
        "add" => change(state, state.value.checked_add(argument(call)?), "overflow"),
        "decrement" => change(state, state.value.checked_sub(1), "underflow"),
        "value" => Ok(written(&state.value)),
        "changes" => Ok(written(&state.changes)),
        _ => Err(HandlerError::UnknownHandler),
    }
}

fn change(state: &mut State, value: Option<u64>, code: &str) -> Result<Vec<u8>, HandlerError> {
    let Some(value) = value else {
        let message = format!("{} is the limit of the counter", state.value);
        let detail = None;
        return Err(HandlerError::Rejected(Rejection { code: code.to_owned(), message, detail }));
    };
    *state = State { value, changes: state.changes + 1 };
    Ok(written(&value))
}

fn argument<'a, T: Deserialize<'a>>(call: &'a Call) -> Result<T, HandlerError> {
    serde_json::from_slice(&call.argument)
        .map_err(|error| HandlerError::InvalidArgument(error.to_string()))
}

fn written(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| trap())
}

contract::bindings::export!(Faulty with_types_in contract::bindings);
