//! Reads the component file that a command sends.

use std::path::Path;

use bytes::Bytes;
use bytesize::ByteSize;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output;

/// Returns the content of the file, and notes on standard error that it is uploaded.
pub(super) fn component(file: &Path, client: &Client) -> Result<Bytes, Failure> {
    let shown = file.display();
    let wasm = std::fs::read(file).map_err(|error| {
        let failure = Failure::usage(format!("cannot read {shown}: {error}"));
        failure.with_hint(match file.is_dir() {
            true => "use the component in that folder, a file that ends in .wasm",
            false => "build it with: cargo build --release --target wasm32-wasip2",
        })
    })?;
    if !wasm.starts_with(b"\0asm") {
        let failure = Failure::usage(format!("{shown} is not a WebAssembly file"));
        return Err(failure.with_hint("deploy a file in target/wasm32-wasip2/release/"));
    }
    let size = ByteSize(wasm.len() as u64);
    output::note(&format!("uploading {shown} ({size}) to {}", client.url()));
    Ok(wasm.into())
}
