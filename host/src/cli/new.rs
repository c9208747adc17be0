//! The `new` command: creates a project with one object that builds, passes its tests and deploys without changes,
//! or adds an object to a workspace ([`member`]).
//!
//! The SDK is in no package registry, so this binary contains it ([`vendor`]) unless a path is given. Existing
//! files are never overwritten; only a workspace's manifest is edited.

mod manifest;
mod member;
mod templates;
mod vendor;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use highlander_core::id::TypeName;

use self::manifest::Workspace;
use self::member::Member;
use self::templates::{
    CLIENT, IGNORED, MANIFEST, OBJECT, README, VENDORED, fill, write, write_sdk,
};
use super::failure::Failure;
use super::output;

/// Names that are not valid for a package, or for its struct.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];
/// Folders of a project that hold build output or the SDK, not the author's code.
const FOLDERS: &[&str] = &["target", "vendor"];

/// `highlander new`
#[derive(Debug, Args)]
pub(super) struct New {
    /// Name of the object type and of its project or package, such as shared-list
    name: String,
    /// Programming language
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
    /// Use the SDK in this folder instead of a copy within the project
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
    /// In a project: create a crate for code that its objects share, instead of an object
    #[arg(long)]
    library: bool,
    /// In a project: depend on this library, or on the client of this object; can be repeated
    #[arg(long, value_name = "NAME")]
    uses: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    Rust,
    Js,
    Python,
}

impl New {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.lang != Language::Rust {
            let failure = Failure::usage("there is no template for this language yet");
            return Err(failure.with_hint(format!("highlander new {} --lang rust", self.name)));
        }
        let name = TypeName::new(&self.name).map_err(|error| Failure::usage(error.to_string()))?;
        let name = name.as_str();
        check_name(name)?;
        let sdk = self.sdk.as_deref().map(sdk_path).transpose()?;
        let here = std::env::current_dir().map_err(|error| {
            Failure::environment(format!("cannot use the current directory: {error}"))
        })?;
        if let Some(workspace) = Workspace::find(&here).map_err(Failure::usage)? {
            let (is_library, uses) = (self.library, self.uses.as_slice());
            let root = workspace.root.clone();
            let member = Member { name, is_library, uses, sdk: sdk.as_deref() };
            member.add(workspace, &here)?;
            output::note(&format!("added {name} to the project in {}; next:", root.display()));
            let up = here.strip_prefix(&root).map_or(0, |below| below.components().count());
            return member_steps(name, is_library, up)
                .iter()
                .try_for_each(|line| output::line(line));
        }
        if self.library || !self.uses.is_empty() {
            let failure = Failure::usage(
                "--library and --uses require a project, but this folder is not in one",
            );
            return Err(failure.with_hint(format!(
                "create a project with its first object: highlander new {name}"
            )));
        }
        let folder = Path::new(name);
        write_project(folder, name, sdk.as_deref()).map_err(|error| {
            let text = match error.kind() {
                std::io::ErrorKind::AlreadyExists => format!("{name} already exists"),
                _ => format!("cannot write {name}: {error}"),
            };
            Failure::usage(text)
                .with_hint("choose another name, or run the command in another folder")
        })?;
        output::note(&format!("created {name}; next:"));
        next_steps(name).iter().try_for_each(|line| output::line(line))
    }
}

/// Rejects a name that Cargo or the template cannot use.
fn check_name(name: &str) -> Result<(), Failure> {
    if FOLDERS.contains(&name) {
        let text =
            format!("{name} is a folder of every project, and cannot be the name of an object");
        return Err(Failure::usage(text).with_hint(format!("highlander new my-{name}")));
    }
    let words: Vec<_> = name.split('-').filter(|word| !word.is_empty()).collect();
    let plain = words.join("-");
    if plain == name && !RESERVED.contains(&name) {
        return Ok(());
    }
    let advised = if RESERVED.contains(&plain.as_str()) { format!("my-{plain}") } else { plain };
    let failure = Failure::usage(format!("{name} cannot be the name of a Rust package"));
    Err(failure.with_hint(format!("highlander new {advised}")))
}

/// Returns the absolute path of an SDK folder, for a manifest.
fn sdk_path(path: &Path) -> Result<String, Failure> {
    let absolute = path.canonicalize().ok().filter(|path| path.join("Cargo.toml").is_file());
    let text = absolute.and_then(|path| path.to_str().map(str::to_owned));
    text.ok_or_else(|| {
        let failure = Failure::usage(format!("{} does not contain a package", path.display()));
        failure.with_hint("--sdk takes the folder guest-sdk of a checkout")
    })
}

pub(super) fn write_project(folder: &Path, name: &str, sdk: Option<&str>) -> std::io::Result<()> {
    fs::create_dir(folder)?;
    let fill = |template: &str| fill(template, name, sdk.unwrap_or(VENDORED));
    write(folder, "Cargo.toml", fill(MANIFEST).as_bytes())?;
    write(folder, "client/Cargo.toml", fill(CLIENT).replace("{{uses}}\n", "").as_bytes())?;
    write(folder, "src/lib.rs", fill(OBJECT).as_bytes())?;
    write(folder, "README.md", fill(README).as_bytes())?;
    write(folder, ".gitignore", IGNORED.as_bytes())?;
    if sdk.is_none() { write_sdk(folder) } else { Ok(()) }
}

fn next_steps(name: &str) -> [String; 6] {
    let file = name.replace('-', "_");
    [
        format!("cd {name}"),
        "cargo test".to_owned(),
        "cargo build --release --target wasm32-wasip2".to_owned(),
        "highlander dev    # in another terminal".to_owned(),
        format!("highlander deploy target/wasm32-wasip2/release/{file}.wasm"),
        format!("highlander call {name}/1 greet '\"world\"'"),
    ]
}

/// Returns the next steps after a package joined a workspace, `up` folders below the workspace's.
fn member_steps(name: &str, is_library: bool, up: usize) -> Vec<String> {
    if is_library {
        return vec![format!("highlander new NAME --uses {name}    # an object that uses it")];
    }
    let file = name.replace('-', "_");
    vec![
        format!("cargo test --package {name}"),
        format!("cargo build --release --target wasm32-wasip2 --package {name}"),
        format!("highlander deploy {}target/wasm32-wasip2/release/{file}.wasm", "../".repeat(up)),
    ]
}

#[cfg(test)]
mod tests;
