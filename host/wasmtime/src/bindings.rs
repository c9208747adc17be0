//! Rust bindings generated from the WIT world in `wit/`.
//!
//! Arguments are borrowed, so that a call copies its payload only once, into the guest.

#![allow(missing_docs, unreachable_pub, dead_code, reason = "generated")]

wasmtime::component::bindgen!({
    world: "object",
    path: "../../wit",
    exports: { default: async },
    additional_derives: [PartialEq],
    ownership: Borrowing { duplicate_if_necessary: true },
});
