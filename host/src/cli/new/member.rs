//! Adds an object or a library to an existing workspace.
//!
//! All checks precede the first write, and the workspace's manifest is written last. A failure in between leaves
//! the workspace unchanged, plus a folder that is not a member.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::manifest::{Joining, SDK, Workspace};
use super::templates::{
    CLIENT, LIBRARY, LIBRARY_MANIFEST, MEMBER, OBJECT, VENDORED, fill, write, write_sdk,
};
use super::vendor::brought_by_sdk;
use crate::cli::failure::Failure;

/// Package to add to a workspace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    pub(super) is_library: bool,
    /// Workspace dependencies that it inherits.
    pub(super) uses: &'a [String],
    /// SDK to use if the workspace has none yet.
    pub(super) sdk: Option<&'a str>,
}

impl Member<'_> {
    /// Adds the package below `folder`, which is in the workspace.
    pub(super) fn add(self, mut workspace: Workspace, folder: &Path) -> Result<(), Failure> {
        let name = self.name;
        self.check(&workspace)?;
        let below = folder.strip_prefix(&workspace.root).ok().and_then(Path::to_str);
        let below = below.ok_or_else(|| {
            Failure::usage(format!("the path {} cannot be used in a manifest", folder.display()))
        })?;
        let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        for joining in self.joining(&path) {
            workspace.join(&joining).map_err(Failure::usage)?;
        }
        let is_vendored = self.bring_sdk(&mut workspace)?;
        let made = workspace.root.join(&path);
        self.write(&made).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::usage(format!("{path} already exists"))
                .with_hint("choose another name, or run the command in another folder"),
            _ => Failure::environment(format!("cannot write {path}: {error}")),
        })?;
        let finish = || {
            if is_vendored {
                write_sdk(&workspace.root)?;
            }
            fs::write(workspace.path(), workspace.text())
        };
        finish().map_err(|error| {
            Failure::environment(format!("cannot write {}: {error}", workspace.root.display()))
        })
    }

    fn check(self, workspace: &Workspace) -> Result<(), Failure> {
        let (taken, shared) = (workspace.names(), workspace.shared());
        let root = workspace.root.display();
        let names = [self.name.to_owned(), format!("{}-client", self.name)];
        if let Some(name) = names.iter().find(|name| taken.contains(*name)) {
            let failure =
                Failure::usage(format!("{root} already has a package or dependency {name}"));
            return Err(failure.with_hint("choose another name"));
        }
        if brought_by_sdk().contains(self.name) {
            let text = format!("{} is the name of a package that the SDK uses", self.name);
            return Err(Failure::usage(text).with_hint(format!("highlander new my-{}", self.name)));
        }
        if let Some(unknown) = self.uses.iter().find(|name| !shared.contains(name)) {
            let failure =
                Failure::usage(format!("{root} has no object or library named {unknown}"));
            let known: Vec<_> = shared.into_iter().filter(|name| name != SDK).collect();
            return Err(failure.with_hint(match known.as_slice() {
                [] => "leave --uses out: there is no other object yet".to_owned(),
                known => format!("--uses takes {}", known.join(", ")),
            }));
        }
        Ok(())
    }

    fn joining(self, path: &str) -> Vec<Joining> {
        let name = self.name.to_owned();
        if self.is_library {
            let dependency = (name.clone(), name, path.to_owned());
            return vec![Joining { folder: path.to_owned(), dependency, is_default: true }];
        }
        let client = format!("{path}/client");
        let dependency = (name.clone(), format!("{name}-client"), client.clone());
        let own = Joining { folder: path.to_owned(), dependency, is_default: true };
        vec![own.clone(), Joining { folder: client, is_default: false, ..own }]
    }

    /// Adds the SDK to the manifest if it is missing. Returns whether the SDK must be copied into the workspace.
    fn bring_sdk(self, workspace: &mut Workspace) -> Result<bool, Failure> {
        let has_sdk = workspace.shared().iter().any(|name| name == SDK);
        if has_sdk && self.sdk.is_some() {
            let text = format!("{} already has an SDK", workspace.root.display());
            return Err(Failure::usage(text).with_hint("leave --sdk out"));
        }
        if has_sdk {
            return Ok(false);
        }
        workspace.add_sdk(self.sdk.unwrap_or(VENDORED)).map_err(Failure::usage)?;
        Ok(self.sdk.is_none() && !workspace.root.join(VENDORED).exists())
    }

    fn write(self, folder: &Path) -> std::io::Result<()> {
        fs::create_dir(folder)?;
        let uses: String =
            self.uses.iter().map(|name| format!("{name}.workspace = true\n")).collect();
        let fill = |template: &str| fill(template, self.name, "").replace("{{uses}}\n", &uses);
        if self.is_library {
            write(folder, "Cargo.toml", fill(LIBRARY_MANIFEST).as_bytes())?;
            return write(folder, "src/lib.rs", fill(LIBRARY).as_bytes());
        }
        write(folder, "Cargo.toml", fill(MEMBER).as_bytes())?;
        write(folder, "client/Cargo.toml", fill(CLIENT).as_bytes())?;
        write(folder, "src/lib.rs", fill(OBJECT).as_bytes())
    }
}
