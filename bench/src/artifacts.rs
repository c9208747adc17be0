//! Locates the measured programs and builds missing ones: the host's binary, its examples, the components.
//!
//! All of them are in the target folder of this program. `HIGHLANDER_BIN` names a prebuilt binary, with its
//! examples in the adjacent folder `examples`; `HIGHLANDER_GUESTS` names a folder of components.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Locations of the programs and components.
#[derive(Debug)]
pub(crate) struct Artifacts {
    /// Checkout.
    pub(crate) root: PathBuf,
    /// Target folder of Cargo.
    target: PathBuf,
    /// Binary of the host.
    pub(crate) host: PathBuf,
    /// Whether the host and its examples are prebuilt.
    is_prebuilt: bool,
    guests: PathBuf,
}

impl Artifacts {
    /// Locates everything, and builds the host.
    pub(crate) fn find() -> Result<Self> {
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = package.parent().context("bench is not part of a workspace")?.to_owned();
        let executable = env::current_exe()?;
        let release = executable.parent().context("this program has no parent directory")?;
        let target =
            release.parent().context("this program is not in a target directory")?.to_owned();
        let prebuilt = env::var_os("HIGHLANDER_BIN").map(PathBuf::from);
        let is_prebuilt = prebuilt.is_some();
        let host = prebuilt.unwrap_or_else(|| release.join("highlander"));
        if !is_prebuilt {
            build(&root, &["--package", "highlander", "--bin", "highlander"])?;
        }
        let guests =
            env::var_os("HIGHLANDER_GUESTS").map_or_else(|| target.join("guests"), PathBuf::from);
        Ok(Self { root, target, host, is_prebuilt, guests })
    }

    /// Creates a data folder for one process, on the disk of the target folder: a temporary folder may be in
    /// memory.
    pub(crate) fn data_folder(&self) -> Result<tempfile::TempDir> {
        let parent = self.target.join("bench-data");
        std::fs::create_dir_all(&parent)?;
        Ok(tempfile::tempdir_in(parent)?)
    }

    /// Returns the file of a component, and builds it if necessary.
    pub(crate) fn guest(&self, name: &str) -> Result<PathBuf> {
        let path = self.guests.join(format!("{name}.wasm"));
        if !path.exists() {
            let mut command = cargo(&self.root);
            execute(command.args(["xtask", "build-guests"]))?;
        }
        if !path.exists() {
            bail!(
                "component {} is missing; build it with: cargo xtask build-guests",
                path.display()
            );
        }
        Ok(path)
    }

    /// Builds and runs an example of the host, and returns the JSON lines that it prints.
    pub(crate) fn example(
        &self,
        package: &str,
        name: &str,
        arguments: &[&str],
    ) -> Result<Vec<Value>> {
        if !self.is_prebuilt {
            build(&self.root, &["--package", package, "--example", name])?;
        }
        let program = self.host.with_file_name("examples").join(name);
        let output = Command::new(&program)
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot run {}", program.display()))?;
        if !output.status.success() {
            bail!("the example {name} failed: {}", output.status);
        }
        let text = String::from_utf8(output.stdout)?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

/// Returns a component with the same behavior and other bytes: to the host, it is another revision.
pub(crate) fn variant(wasm: &[u8], name: &str) -> Result<Vec<u8>> {
    let length = u8::try_from(name.len())?;
    ensure!(length < 127, "the name is too long: the length of its section must fit into one byte");
    // A custom section, which no program reads: its id, the length of the rest, a name and no content.
    let mut variant = wasm.to_vec();
    variant.extend([0, length + 1, length]);
    variant.extend(name.as_bytes());
    Ok(variant)
}

fn build(root: &Path, arguments: &[&str]) -> Result<()> {
    execute(cargo(root).args(["build", "--release"]).args(arguments))
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

fn execute(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_the_component_and_a_section_that_nobody_reads() {
        assert_eq!(variant(b"wasm", "ab").unwrap(), b"wasm\x00\x03\x02ab");
        assert!(variant(b"wasm", &"x".repeat(127)).is_err());
    }
}
