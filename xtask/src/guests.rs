//! `cargo xtask build-guests`: example objects and test guests as components in `target/guests`.
//!
//! One invocation of Cargo builds them all, so that they share their dependencies. The sizes of examples for users
//! have limits.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::workspace::{Guest, Workspace};
use crate::{install, process};

/// Maximum sizes of these components in bytes, because users see the cost of a small object.
const BYTES_MAX: &[(&str, u64)] = &[("todo", 150_000)];

#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Build only these packages
    packages: Vec<String>,
    /// Build only the packages in `example-objects`
    #[arg(long, conflicts_with = "packages")]
    example_only: bool,
}

/// Runs the command.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let guests = selected(&workspace, options)?;
    build(&workspace, &guests)?;
    Ok(ExitCode::SUCCESS)
}

/// Builds all guests.
pub(crate) fn build_all() -> Result<()> {
    run(&Options::default()).map(drop)
}

/// Builds only these packages.
pub(crate) fn build_only(packages: &[&str]) -> Result<()> {
    let packages = packages.iter().map(|name| (*name).to_owned()).collect();
    run(&Options { packages, ..Options::default() }).map(drop)
}

fn selected(workspace: &Workspace, options: &Options) -> Result<Vec<Guest>> {
    for name in &options.packages {
        if !workspace.guests.iter().any(|guest| guest.package == *name) {
            let known: Vec<_> = workspace.guests.iter().map(|guest| &*guest.package).collect();
            bail!("unknown guest `{name}`; expected one of {}", known.join(", "));
        }
    }
    let is_selected = |guest: &&Guest| {
        let by_name = options.packages.is_empty() || options.packages.contains(&guest.package);
        by_name && (guest.is_example || !options.example_only)
    };
    Ok(workspace.guests.iter().filter(is_selected).cloned().collect())
}

fn build(workspace: &Workspace, guests: &[Guest]) -> Result<()> {
    if guests.is_empty() {
        bail!("there are no guests to build");
    }
    install::ensure_wasm_target(&workspace.root)?;
    let mut command = process::cargo(&workspace.root);
    command.args(["build", "--profile", "guest", "--target", install::WASM_TARGET]);
    for guest in guests {
        command.args(["--package", &guest.package]);
    }
    process::run(&mut command)?;

    let folder = workspace.guests_folder();
    fs::create_dir_all(&folder)?;
    let mut too_large = Vec::new();
    for guest in guests {
        let bytes = publish(workspace, guest)?;
        println!("{:>10} bytes  {}.wasm", bytes, folder.join(&guest.package).display());
        too_large.extend(excess(&guest.package, bytes));
    }
    if !too_large.is_empty() {
        bail!("{}", too_large.join("\n"));
    }
    Ok(())
}

/// Copies one component to the folder for tests and users, and returns its size.
fn publish(workspace: &Workspace, guest: &Guest) -> Result<u64> {
    let built = workspace.target.join(install::WASM_TARGET).join("guest");
    let built = built.join(format!("{}.wasm", guest.library));
    let folder = workspace.guests_folder();
    // Renamed into place, so that a concurrent test never reads half of the file.
    let partial = folder.join(format!(".{}.wasm.partial", guest.package));
    let bytes = fs::copy(&built, &partial).with_context(|| {
        format!("cannot copy {}, which the build should have created", built.display())
    })?;
    fs::rename(&partial, folder.join(format!("{}.wasm", guest.package)))?;
    Ok(bytes)
}

fn excess(package: &str, bytes: u64) -> Option<String> {
    let (_, bytes_max) = BYTES_MAX.iter().find(|(name, _)| *name == package)?;
    (bytes > *bytes_max).then(|| {
        format!("{package}.wasm is too large: {bytes} bytes; expected at most {bytes_max}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        let guest = |name: &str, is_example| Guest {
            package: name.into(),
            library: name.replace('-', "_"),
            is_example,
        };
        let guests = vec![guest("counter-v2", false), guest("todo", true)];
        Workspace { root: "/w".into(), target: "/w/target".into(), guests }
    }

    #[track_caller]
    fn check(options: &Options, expected: &[&str]) {
        let guests = selected(&workspace(), options).unwrap();
        let names: Vec<_> = guests.iter().map(|guest| &*guest.package).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn packages_are_selected_by_folder_and_by_name() {
        check(&Options::default(), &["counter-v2", "todo"]);
        check(&Options { example_only: true, ..Options::default() }, &["todo"]);
        check(&Options { packages: vec!["todo".into()], ..Options::default() }, &["todo"]);
    }

    #[test]
    fn an_unknown_package_is_refused_with_the_known_ones() {
        let options = Options { packages: vec!["toda".into()], ..Options::default() };
        let error = selected(&workspace(), &options).unwrap_err().to_string();
        assert_eq!(error, "unknown guest `toda`; expected one of counter-v2, todo");
    }

    #[test]
    fn an_example_stays_within_its_limit() {
        assert_eq!(excess("todo", 150_000), None);
        assert!(excess("todo", 150_001).is_some());
        assert_eq!(excess("misbehaving", 1 << 30), None);
    }
}
