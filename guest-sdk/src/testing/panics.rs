//! Test failures: a panic with a message, at the line of the test.

use serde::Serialize;

#[track_caller]
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    match serde_json::to_vec(value) {
        Ok(bytes) => bytes,
        Err(error) => fail(&format!("the value is not JSON: {error}")),
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "the harness is used by tests, and a panic is how a test fails")]
pub(super) fn fail(message: &str) -> ! {
    panic!("{message}")
}
