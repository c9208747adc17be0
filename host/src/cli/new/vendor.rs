//! The SDK for a new project: its sources, and manifests that need no workspace.
//!
//! The sources come from the checkout that this binary was built from, so the SDK always matches the host.

use std::collections::BTreeSet;
use std::io;

use include_dir::{Dir, include_dir};
use toml::{Table, Value};

static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../guest-sdk/src");
static MACROS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../guest-sdk/macros/src");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../wit");
const WORKSPACE: &str = include_str!("../../../../Cargo.toml");
const SDK_MANIFEST: &str = include_str!("../../../../guest-sdk/Cargo.toml");
const MACROS_MANIFEST: &str = include_str!("../../../../guest-sdk/macros/Cargo.toml");

/// Manifest sections that apply only within the checkout.
const LEFT_OUT: [&str; 2] = ["dev-dependencies", "lints"];

/// Returns every file, with its path relative to the target folder.
pub(super) fn files() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = vec![
        ("guest-sdk/Cargo.toml".to_owned(), standalone(SDK_MANIFEST)?.into_bytes()),
        ("guest-sdk/macros/Cargo.toml".to_owned(), standalone(MACROS_MANIFEST)?.into_bytes()),
    ];
    collect(&SDK, "guest-sdk/src", &mut files);
    collect(&MACROS, "guest-sdk/macros/src", &mut files);
    collect(&WIT, "guest-sdk/wit", &mut files);
    Ok(files)
}

/// Names of the packages that the SDK depends on, which Cargo could not tell from those of a workspace by name.
pub(super) fn brought_by_sdk() -> BTreeSet<String> {
    let manifests =
        [SDK_MANIFEST, MACROS_MANIFEST].into_iter().filter_map(|text| text.parse::<Table>().ok());
    let mut names = BTreeSet::new();
    for manifest in manifests {
        names.extend(table(manifest.get("dependencies")).into_iter().map(|(name, _)| name));
        for (_, target) in table(manifest.get("target")) {
            names.extend(table(target.get("dependencies")).into_iter().map(|(name, _)| name));
        }
    }
    names
}

fn collect(folder: &Dir<'_>, path: &str, files: &mut Vec<(String, Vec<u8>)>) {
    for file in folder.files() {
        files.push((format!("{path}/{}", file.path().display()), file.contents().to_vec()));
    }
    folder.dirs().for_each(|inner| collect(inner, path, files));
}

/// Resolves everything that a member's manifest inherits from the workspace.
fn standalone(manifest: &str) -> io::Result<String> {
    let invalid = |why: &dyn std::fmt::Display| io::Error::other(format!("manifest: {why}"));
    let workspace: Table = WORKSPACE.parse().map_err(|error| invalid(&error))?;
    let workspace = table(workspace.get("workspace"));
    let (package, dependencies) =
        (table(workspace.get("package")), table(workspace.get("dependencies")));
    let mut manifest: Table = manifest.parse().map_err(|error| invalid(&error))?;
    manifest.retain(|section, _| !LEFT_OUT.contains(&section));
    for (section, content) in &mut manifest {
        match (section.as_str(), content) {
            ("package", Value::Table(content)) => resolve(content, &package),
            ("dependencies", Value::Table(content)) => resolve(content, &dependencies),
            ("target", Value::Table(targets)) => {
                for (_, target) in targets {
                    if let Some(Value::Table(content)) = target.get_mut("dependencies") {
                        resolve(content, &dependencies);
                    }
                }
            }
            _ => {}
        }
    }
    toml::to_string_pretty(&manifest).map_err(|error| invalid(&error))
}

fn table(value: Option<&Value>) -> Table {
    value.and_then(Value::as_table).cloned().unwrap_or_default()
}

/// Replaces each `workspace = true` with the workspace's value, and keeps the member's additional keys.
fn resolve(section: &mut Table, shared: &Table) {
    for (name, value) in section {
        let Value::Table(own) = value else { continue };
        if own.remove("workspace").is_none() {
            continue;
        }
        let own = std::mem::take(own);
        *value = match (shared.get(name), own.is_empty()) {
            (Some(whole @ Value::String(_)), true) => whole.clone(),
            (Some(Value::String(version)), false) => {
                let version = Table::from_iter([("version".to_owned(), version.as_str().into())]);
                Value::Table(merged(version, own))
            }
            (Some(Value::Table(table)), _) => Value::Table(merged(table.clone(), own)),
            _ => Value::Table(own),
        };
        rebase(value);
    }
}

/// Merges a dependency: features of both sides; for all other keys, the member's value takes precedence.
fn merged(mut shared: Table, own: Table) -> Table {
    for (name, value) in own {
        match (shared.get_mut(&name), value) {
            (Some(Value::Array(features)), Value::Array(more)) => features.extend(more),
            (_, value) => drop(shared.insert(name, value)),
        }
    }
    shared
}

/// Adjusts a path that is relative to the workspace; the SDK's only path dependency is inside the SDK.
fn rebase(dependency: &mut Value) {
    if let Some(Value::String(path)) = dependency.get_mut("path")
        && let Some(inner) = path.strip_prefix("guest-sdk/")
    {
        *path = inner.to_owned();
    }
}
