//! Templates of new packages, and how their files are written.

use std::fs;
use std::path::Path;

use super::vendor;

pub(super) const MANIFEST: &str = include_str!("templates/Cargo.toml.txt");
pub(super) const MEMBER: &str = include_str!("templates/member.toml.txt");
pub(super) const CLIENT: &str = include_str!("templates/client.toml.txt");
pub(super) const OBJECT: &str = include_str!("templates/lib.rs.txt");
pub(super) const LIBRARY_MANIFEST: &str = include_str!("templates/library.toml.txt");
pub(super) const LIBRARY: &str = include_str!("templates/library.rs.txt");
pub(super) const README: &str = include_str!("templates/README.md.txt");
pub(super) const IGNORED: &str = "/target\n/.highlander\n";

/// Path of the SDK within a new project.
pub(super) const VENDORED: &str = "vendor/highlander/guest-sdk";

/// Struct names that would shadow an item used by the template.
const HIDING: &[&str] =
    &["String", "Result", "Rejection", "Harness", "Ok", "Err", "ObjectState", "Context"];

/// Writes the SDK into a project folder.
pub(super) fn write_sdk(folder: &Path) -> std::io::Result<()> {
    for (path, content) in vendor::files()? {
        write(folder, &format!("vendor/highlander/{path}"), &content)?;
    }
    Ok(())
}

pub(super) fn write(folder: &Path, path: &str, content: &[u8]) -> std::io::Result<()> {
    let path = folder.join(path);
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, content)
}

/// Fills in a template's placeholders.
pub(super) fn fill(template: &str, name: &str, sdk: &str) -> String {
    let mut object = struct_name(name);
    if HIDING.contains(&object.as_str()) {
        object.push_str("Object");
    }
    // The SDK derives the type's name from the struct's, except for example if a digit follows a hyphen.
    let attribute = match is_derived(name) && !object.ends_with("Object") {
        true => "#[object]".to_owned(),
        false => format!("#[object(type = \"{name}\")]"),
    };
    template
        .replace("{{name}}", name)
        .replace("{{file}}", &name.replace('-', "_"))
        .replace("{{object}}", &object)
        .replace("{{attribute}}", &attribute)
        .replace("{{sdk}}", sdk)
}

/// Converts `shared-list` to `SharedList`.
fn struct_name(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
    };
    name.split('-').map(|word| -> String { capital(word) }).collect()
}

/// Whether the SDK derives this type name from the struct name; every word must begin with a letter.
fn is_derived(name: &str) -> bool {
    name.split('-').all(|word| word.len() > 1 && word.starts_with(|c: char| c.is_ascii_lowercase()))
}
