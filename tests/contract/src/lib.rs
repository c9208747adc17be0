//! What guests share that are written against the contract alone: its bindings, and the ways to do harm.
//! It is no component itself, and knows nothing of what a guest is for.

#![cfg(target_family = "wasm")]

use std::hint::black_box;

#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from the contract"
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

/// Where a test writes a word into the component's bytes, so that one guest makes several components.
static TOLD: [u8; 24] = *b"told:...................";

/// The word that a test has written into the component, or nothing.
#[must_use]
pub fn told() -> String {
    // Not what the compiler sees in it, but what is there when it runs.
    let told = black_box(&TOLD);
    let word = told.iter().skip("told:".len()).take_while(|byte| **byte != b'.');
    word.map(|byte| char::from(*byte)).collect()
}

/// Traps.
pub fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

/// Never ends.
pub fn spin() -> ! {
    loop {
        black_box(());
    }
}

/// Asks for memory until there is none.
pub fn eat() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(vec![1; 1 << 20]);
        black_box(&hoard);
    }
}
