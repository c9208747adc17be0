//! Check that the SDK compiles to a component with the oldest Rust version that its manifest promises.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::install::WASM_TARGET;
use crate::process;

/// Manifest that promises the version.
const MANIFEST: &str = "guest-sdk/Cargo.toml";

/// Outcome of the check, unless the SDK does not compile.
pub(crate) enum Outcome {
    /// The SDK compiles.
    Compiled,
    /// The toolchain is not installed, and cannot be.
    NoToolchain,
}

/// Compiles the SDK with the toolchain of its version, which it installs if necessary.
pub(crate) fn check(root: &Path, target: &Path) -> Result<Outcome> {
    let manifest = fs::read_to_string(root.join(MANIFEST))
        .with_context(|| format!("cannot read {MANIFEST}"))?;
    let version = promised(&manifest)
        .with_context(|| format!("{MANIFEST} has no line `rust-version = \"…\"`"))?;
    let mut install = Command::new("rustup");
    install.args(["toolchain", "install", version, "--no-self-update"]);
    install.args(["--profile", "minimal", "--target", WASM_TARGET]);
    if let Err(error) = process::run(&mut install) {
        println!("skipped: Rust {version} cannot be installed: {error:#}");
        return Ok(Outcome::NoToolchain);
    }
    let mut cargo = Command::new("rustup");
    cargo.current_dir(root).args(["run", version, "cargo", "check", "--locked"]);
    cargo.args(["--package", "highlander-sdk", "--target", WASM_TARGET]);
    process::run(cargo.arg("--target-dir").arg(target.join("msrv")))?;
    Ok(Outcome::Compiled)
}

/// Returns the version in a manifest.
fn promised(manifest: &str) -> Option<&str> {
    let value = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \""))?;
    value.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_manifest() {
        let manifest =
            "name = \"a\"\n# Older.\nrust-version = \"1.88\"\nlicense.workspace = true\n";
        assert_eq!(promised(manifest), Some("1.88"));
        assert_eq!(promised("rust-version.workspace = true\n"), None);
    }
}
