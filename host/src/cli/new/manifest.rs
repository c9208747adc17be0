//! Workspace manifest: finds it, and adds packages to it.
//!
//! Edits keep the rest of the file as its author wrote it. This module only edits in memory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

/// Name of the SDK dependency.
pub(super) const SDK: &str = "highlander-sdk";
const FILE: &str = "Cargo.toml";

/// Workspace that a package can join.
#[derive(Debug)]
pub(super) struct Workspace {
    pub(super) root: PathBuf,
    document: DocumentMut,
}

/// Package that joins the workspace, with its folder relative to the root.
#[derive(Debug, Clone)]
pub(super) struct Joining {
    pub(super) folder: String,
    /// Dependency name for other members, with the package and the folder that it resolves to.
    pub(super) dependency: (String, String, String),
    /// Whether a plain `cargo build` builds it.
    pub(super) is_default: bool,
}

impl Workspace {
    /// Finds the workspace that a package in `folder` would belong to.
    pub(super) fn find(folder: &Path) -> Result<Option<Self>, String> {
        for root in folder.ancestors() {
            let path = root.join(FILE);
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let document = text.parse::<DocumentMut>();
            let document =
                document.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            if document.get("workspace").is_some_and(Item::is_table_like) {
                let found = Self { root: root.to_owned(), document };
                return Ok(Some(found).filter(|found| !found.excludes(folder)));
            }
        }
        Ok(None)
    }

    /// Returns the manifest's path.
    pub(super) fn path(&self) -> PathBuf {
        self.root.join(FILE)
    }

    /// Returns the manifest's text.
    pub(super) fn text(&self) -> String {
        self.document.to_string()
    }

    fn excludes(&self, folder: &Path) -> bool {
        let below = folder.strip_prefix(&self.root).unwrap_or(folder);
        self.texts("exclude").iter().any(|excluded| below.starts_with(excluded))
    }

    fn texts(&self, key: &str) -> Vec<String> {
        let array = self.document.get("workspace").and_then(|table| table.get(key)?.as_array());
        let texts = array.into_iter().flatten().filter_map(Value::as_str);
        texts.map(ToOwned::to_owned).collect()
    }

    fn package(&self) -> Option<&str> {
        self.document.get("package")?.get("name")?.as_str()
    }

    /// Returns the names of packages and dependencies, which a new package must not reuse.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<_> = self.shared().into_iter().collect();
        names.extend(self.package().map(ToOwned::to_owned));
        for member in self.texts("members") {
            // Members listed by a glob pattern are skipped; Cargo itself reports their conflicts.
            let text = std::fs::read_to_string(self.root.join(member).join(FILE));
            let manifest = text.ok().and_then(|text| text.parse::<DocumentMut>().ok());
            let name = manifest.as_ref().and_then(|manifest| manifest.get("package")?.get("name"));
            names.extend(name.and_then(Item::as_str).map(ToOwned::to_owned));
        }
        names
    }

    /// Returns the names of the dependencies that members can inherit from the workspace.
    pub(super) fn shared(&self) -> Vec<String> {
        let shared = self.document.get("workspace").and_then(|table| table.get("dependencies"));
        let names = shared.and_then(Item::as_table_like).map(|table| table.iter());
        names.into_iter().flatten().map(|(name, _)| name.to_owned()).collect()
    }

    /// Adds a package. The error names the part of the manifest that is malformed.
    pub(super) fn join(&mut self, joining: &Joining) -> Result<(), String> {
        let has_package = self.package().is_some();
        let has_defaults = !self.texts("default-members").is_empty();
        push(self.list("members")?, &joining.folder);
        if joining.is_default && (has_package || has_defaults) {
            let defaults = self.list("default-members")?;
            if !has_defaults {
                push(defaults, ".");
            }
            push(defaults, &joining.folder);
        }
        let (name, package, folder) = &joining.dependency;
        let mut value = InlineTable::new();
        if name != package {
            value.insert("package", package.as_str().into());
        }
        value.insert("path", folder.as_str().into());
        self.depend(name, value)
    }

    /// Adds the SDK in this folder, which may be below the root, as a dependency for all members.
    pub(super) fn add_sdk(&mut self, path: &str) -> Result<(), String> {
        if let Some(("vendor", _)) = path.split_once('/') {
            push(self.list("exclude")?, "vendor");
        }
        let mut value = InlineTable::new();
        value.insert("path", path.into());
        self.depend(SDK, value)
    }

    fn depend(&mut self, name: &str, value: InlineTable) -> Result<(), String> {
        let wrong =
            || format!("{}: workspace.dependencies is not a table", self.root.join(FILE).display());
        let (wrong, workspace) = (wrong(), self.document.get_mut("workspace"));
        let workspace = workspace.and_then(Item::as_table_like_mut);
        let dependencies = workspace
            .map(|workspace| workspace.entry("dependencies").or_insert(Item::Table(Table::new())));
        let dependencies = dependencies.and_then(Item::as_table_like_mut).ok_or(wrong)?;
        dependencies.insert(name, Item::Value(Value::InlineTable(value)));
        Ok(())
    }

    fn list(&mut self, key: &str) -> Result<&mut Array, String> {
        let wrong = format!("{}: workspace.{key} is not a list", self.path().display());
        let workspace = self.document.get_mut("workspace").and_then(Item::as_table_like_mut);
        let empty = || Item::Value(Value::Array(Array::new()));
        let list = workspace.map(|workspace| workspace.entry(key).or_insert_with(empty));
        list.and_then(Item::as_array_mut).ok_or(wrong)
    }
}

/// Adds a text to a list unless the list contains it.
fn push(list: &mut Array, text: &str) {
    if !list.iter().any(|present| present.as_str() == Some(text)) {
        list.push(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(text: &str) -> (tempfile::TempDir, Workspace) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let found = Workspace::find(folder.path()).unwrap().unwrap();
        (folder, found)
    }

    fn object(name: &str) -> Joining {
        let client = (name.to_owned(), format!("{name}-client"), format!("{name}/client"));
        Joining { folder: name.to_owned(), dependency: client, is_default: true }
    }

    #[test]
    fn a_package_joins_and_the_rest_of_the_manifest_stays() {
        let (_folder, mut found) = workspace(
            "# mine\n[package]\nname = \"a\"\n\n[workspace]\nmembers = [\"client\"] # why\n",
        );
        found.join(&object("b")).unwrap();
        found.add_sdk("vendor/highlander/guest-sdk").unwrap();
        let text = found.text();
        assert!(text.starts_with("# mine\n[package]\nname = \"a\"\n"), "{text}");
        let table: toml::Table = text.parse().unwrap();
        let workspace = &table["workspace"];
        let texts = |key: &str| {
            let list = workspace[key].as_array().unwrap().iter();
            list.map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(texts("members"), ["client", "b"]);
        assert_eq!(texts("default-members"), [".", "b"]);
        assert_eq!(texts("exclude"), ["vendor"]);
        let dependencies = &workspace["dependencies"];
        assert_eq!(dependencies["b"]["package"].as_str(), Some("b-client"));
        assert_eq!(dependencies["b"]["path"].as_str(), Some("b/client"));
        assert_eq!(dependencies[SDK]["path"].as_str(), Some("vendor/highlander/guest-sdk"));
        assert!(text.contains("# why"), "{text}");
    }

    #[test]
    fn a_workspace_without_a_package_keeps_building_all_members() {
        let (_folder, mut found) = workspace("[workspace]\n");
        found.join(&object("b")).unwrap();
        assert!(!found.text().contains("default-members"), "{}", found.text());
    }

    #[test]
    fn what_is_excluded_or_no_workspace_is_not_joined() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Workspace::find(folder.path()).unwrap().is_none());
        std::fs::write(folder.path().join(FILE), "[package]\nname = \"a\"\n").unwrap();
        assert!(Workspace::find(folder.path()).unwrap().is_none());
        std::fs::write(folder.path().join(FILE), "[workspace]\nexclude = [\"vendor\"]\n").unwrap();
        assert!(Workspace::find(&folder.path().join("vendor/x")).unwrap().is_none());
        assert!(Workspace::find(&folder.path().join("x")).unwrap().is_some());
        std::fs::write(folder.path().join(FILE), "[workspace\n").unwrap();
        assert!(Workspace::find(folder.path()).unwrap_err().contains(FILE));
    }

    #[test]
    fn a_manifest_of_another_shape_is_refused() {
        for text in ["[workspace]\nmembers = 7\n", "[workspace]\ndependencies = 7\n"] {
            let (_folder, mut found) = workspace(text);
            assert!(found.join(&object("b")).unwrap_err().contains("workspace."), "{text}");
        }
    }
}
