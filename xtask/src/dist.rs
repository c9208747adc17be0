//! `cargo xtask dist`: the release build of the host, as one archive for a target.
//!
//! The archive holds one folder with the binary, the licences and the documents, and has its SHA-256 next to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Args;

use crate::process;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Target to build for, by default that of this machine
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
}

/// Files of the archive in addition to the binary.
const DOCUMENTS: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"];

/// Builds the binary and the archive in `target/dist`, and prints the path of the archive.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let triple = match &options.target {
        Some(triple) => triple.clone(),
        None => this_machine()?,
    };
    let mut build = process::cargo(&workspace.root);
    build.args([
        "build",
        "--release",
        "--locked",
        "--package",
        "highlander",
        "--bin",
        "highlander",
    ]);
    process::run(build.args(["--target", &triple]))?;
    let binary = workspace.target.join(&triple).join("release/highlander");
    let archive = pack(&workspace.root, &workspace.target.join("dist"), &triple, &binary)?;
    println!("{}", archive.display());
    Ok(ExitCode::SUCCESS)
}

fn pack(root: &Path, dist: &Path, triple: &str, binary: &Path) -> Result<PathBuf> {
    let name = format!("highlander-{}-{triple}", env!("CARGO_PKG_VERSION"));
    let folder = dist.join(&name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for from in DOCUMENTS.iter().map(|name| root.join(name)).chain([binary.to_owned()]) {
        let to = folder.join(from.file_name().unwrap_or_default());
        fs::copy(&from, &to)
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    let file = format!("{name}.tar.gz");
    process::run(Command::new("tar").current_dir(dist).args(["-czf", &file, &name]))?;
    let sum = process::output(Command::new("sha256sum").current_dir(dist).arg(&file))?;
    fs::write(dist.join(format!("{file}.sha256")), sum)?;
    fs::remove_dir_all(&folder)?;
    Ok(dist.join(file))
}

/// Returns the target triple of this machine's compiler.
fn this_machine() -> Result<String> {
    let version = process::output(Command::new("rustc").arg("-vV"))?;
    let triple = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(triple.context("`rustc -vV` reports no host")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_holds_the_binary_and_the_documents() {
        let scratch = tempfile::tempdir().unwrap();
        let binary = scratch.path().join("highlander");
        fs::write(&binary, "#!/bin/sh\n").unwrap();
        let root = crate::workspace::root().unwrap();
        let archive = pack(&root, scratch.path(), "some-target", &binary).unwrap();
        let listed = process::output(Command::new("tar").arg("-tzf").arg(&archive)).unwrap();
        let folder = format!("highlander-{}-some-target/", env!("CARGO_PKG_VERSION"));
        for name in DOCUMENTS.into_iter().chain(["highlander"]) {
            assert!(listed.lines().any(|line| line == format!("{folder}{name}")), "{listed}");
        }
        let sum = fs::read_to_string(archive.with_extension("gz.sha256")).unwrap();
        assert!(sum.ends_with("some-target.tar.gz\n"), "{sum}");
    }
}
