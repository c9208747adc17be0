//! Shared code of guests that are written against the WIT world without the SDK: bindings, and harmful behaviour.
//! It is not a component itself.

#![cfg(target_family = "wasm")]

use std::hint::black_box;

#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from the WIT world"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "object",
        pub_export_macro: true,
        default_bindings_module: "::contract::bindings",
    });
}

pub use bindings::exports::highlander::object::behavior;

/// Placeholder that a test overwrites with a word in the component's bytes, so that one guest yields several
/// components.
static TOLD: [u8; 24] = *b"told:...................";

/// Returns the word that a test has written into the component, or an empty string.
#[must_use]
pub fn told() -> String {
    // Reads the bytes at run time, instead of the constant that the compiler would assume.
    let told = black_box(&TOLD);
    let word = told.iter().skip("told:".len()).take_while(|byte| **byte != b'.');
    word.map(|byte| char::from(*byte)).collect()
}

/// Traps.
pub fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

/// Never returns.
pub fn spin() -> ! {
    loop {
        black_box(());
    }
}

/// Allocates memory until none is left.
pub fn eat() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(vec![1; 1 << 20]);
        black_box(&hoard);
    }
}
