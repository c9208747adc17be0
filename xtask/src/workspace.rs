//! Locations of the checkout, its target folder, and its packages that are components.
//!
//! Cargo reports them, so that `CARGO_TARGET_DIR` and configuration files are respected.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// Folders whose packages are built into components.
const GUEST_FOLDERS: [&str; 2] = ["example-objects", "tests/guests"];

/// Workspace, as Cargo reports it.
pub(crate) struct Workspace {
    /// Checkout.
    pub(crate) root: PathBuf,
    /// Target folder of Cargo.
    pub(crate) target: PathBuf,
    /// Packages below the folders of guests, by name.
    pub(crate) guests: Vec<Guest>,
}

/// Package that is built into a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guest {
    /// Name of the package, and of the file in `target/guests`.
    pub(crate) package: String,
    /// Name of its library, which Cargo gives to the component.
    pub(crate) library: String,
    /// Whether it is in `example-objects`.
    pub(crate) is_example: bool,
}

impl Workspace {
    /// Loads the workspace from Cargo's metadata.
    pub(crate) fn load() -> Result<Self> {
        let root = root()?;
        let mut command = process::cargo(&root);
        command.args(["metadata", "--no-deps", "--format-version", "1"]);
        let metadata: Value = serde_json::from_str(&process::output(&mut command)?)?;
        let target = metadata.get("target_directory").and_then(Value::as_str);
        let target = target.context("cargo metadata has no target directory")?;
        Ok(Self { target: target.into(), guests: guests(&root, &metadata), root })
    }

    /// Returns the folder of components for tests and users.
    pub(crate) fn guests_folder(&self) -> PathBuf {
        self.target.join("guests")
    }
}

/// Returns the checkout in which this program was started.
pub(crate) fn root() -> Result<PathBuf> {
    let xtask = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = xtask.parent().context("xtask is not part of a workspace")?;
    Ok(root.to_owned())
}

fn guests(root: &Path, metadata: &Value) -> Vec<Guest> {
    let packages = metadata["packages"].as_array().map_or(&[] as &[_], Vec::as_slice);
    let mut guests: Vec<_> = packages.iter().filter_map(|package| guest(root, package)).collect();
    guests.sort_by(|left, right| left.package.cmp(&right.package));
    guests
}

fn guest(root: &Path, package: &Value) -> Option<Guest> {
    let manifest = Path::new(package["manifest_path"].as_str()?).strip_prefix(root).ok()?;
    let folder = GUEST_FOLDERS.iter().find(|folder| manifest.starts_with(folder))?;
    let library = package["targets"].as_array()?.iter().find(|target| {
        target["crate_types"].as_array().is_some_and(|types| types.contains(&"cdylib".into()))
    })?;
    Some(Guest {
        package: package["name"].as_str()?.to_owned(),
        library: library["name"].as_str()?.to_owned(),
        is_example: *folder == "example-objects",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, manifest: &str, crate_type: &str) -> Value {
        json!({
            "name": name,
            "manifest_path": manifest,
            "targets": [{ "name": name.replace('-', "_"), "crate_types": [crate_type] }],
        })
    }

    #[test]
    fn guests_are_the_components_below_their_folders() {
        let metadata = json!({ "packages": [
            package("todo", "/w/example-objects/todo/Cargo.toml", "cdylib"),
            package("counter-v2", "/w/tests/guests/counter-v2/Cargo.toml", "cdylib"),
            package("highlander-tests", "/w/tests/Cargo.toml", "lib"),
            package("xtask", "/w/xtask/Cargo.toml", "bin"),
        ]});
        let names: Vec<_> = guests(Path::new("/w"), &metadata)
            .into_iter()
            .map(|guest| (guest.package, guest.library, guest.is_example))
            .collect();
        assert_eq!(
            names,
            [
                ("counter-v2".into(), "counter_v2".into(), false),
                ("todo".into(), "todo".into(), true)
            ]
        );
    }
}
