//! Development checks: the compilation target for objects, and a running node.
//!
//! Neither is required to start a node, so these checks never fail; they only warn.

use std::process::Command;

use super::super::client::{Client, Request};
use super::finding::Finding;

const TARGET: &str = "wasm32-wasip2";

/// Checks whether objects can be built on this machine.
pub(super) fn wasm_target() -> Finding {
    const CHECK: &str = "wasm32-wasip2";
    let mend = "rustup target add wasm32-wasip2";
    let rustc =
        Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    match rustc {
        Ok(output) => {
            let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if !path.is_empty() && std::path::Path::new(&path).is_dir() {
                Finding::ok(CHECK, "objects in Rust can be built on this machine")
            } else {
                Finding::warn(CHECK, "the target is not installed in this Rust toolchain", mend)
            }
        }
        Err(_) => Finding::warn(
            CHECK,
            "rustc is not installed, so objects in Rust cannot be built on this machine",
            format!("install rustup from https://rustup.rs, then: {mend}"),
        ),
    }
}

/// Checks whether a node is running and accepts calls.
pub(super) async fn node(client: &Client) -> Finding {
    const CHECK: &str = "node";
    match client.send(Request::get("/readyz")).await {
        Ok(_) => Finding::ok(CHECK, format!("ready at {}", client.url())),
        Err(failure) => {
            let mend = failure.hint.unwrap_or_else(|| "highlander dev".to_owned());
            Finding::warn(CHECK, failure.message, mend)
        }
    }
}
