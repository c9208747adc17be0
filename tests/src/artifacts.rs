//! Paths of the binary, the components and the files of the repository.
//!
//! Nothing is built here: a missing file fails the test, and the message contains the command that builds it.

use std::path::{Path, PathBuf};

/// Every component that `cargo xtask build-guests` builds.
pub const GUESTS: &[&str] = &[
    "album",
    "chat-room",
    "counter",
    "counter-faulty",
    "counter-v2",
    "forbidden-import",
    "greedy",
    "interacting",
    "journal",
    "limiter",
    "list",
    "malformed-describe",
    "malformed-names",
    "malformed-replies",
    "malformed-schema",
    "misbehaving",
    "reminder",
    "shelf",
    "todo",
    "todo-v2",
    "user",
];

/// Returns the path of the `highlander` binary: `HIGHLANDER_BIN`, or the one next to this test.
#[must_use]
pub fn binary() -> PathBuf {
    let path = match std::env::var_os("HIGHLANDER_BIN") {
        Some(path) => PathBuf::from(path),
        None => profile_folder().join("highlander"),
    };
    existing(path, "cargo build --package highlander")
}

/// Returns the path of the `xtask` binary that was built with the tests.
///
/// `cargo xtask` would wait for any other build in the target folder.
#[must_use]
pub fn xtask() -> PathBuf {
    existing(profile_folder().join("xtask"), "cargo build --package xtask")
}

/// Returns the path of a component by its package name: in `HIGHLANDER_GUESTS`, or in `target/guests`.
#[must_use]
pub fn guest(name: &str) -> PathBuf {
    assert!(GUESTS.contains(&name), "{name} is not one of the guests: {}", GUESTS.join(", "));
    existing(guests_folder().join(format!("{name}.wasm")), "cargo xtask build-guests")
}

/// Returns the folder of all components.
#[must_use]
pub fn guests_folder() -> PathBuf {
    match std::env::var_os("HIGHLANDER_GUESTS") {
        Some(path) => PathBuf::from(path),
        None => target_folder().join("guests"),
    }
}

/// Returns the bytes of a component.
#[must_use]
pub fn guest_bytes(name: &str) -> Vec<u8> {
    std::fs::read(guest(name)).unwrap()
}

/// Returns a component with the same behaviour and different bytes, so that it counts as another revision.
#[must_use]
pub fn variant_bytes(guest: &str, name: &str) -> Vec<u8> {
    let mut wasm = guest_bytes(guest);
    // A custom section, which is ignored at run time: its id, the length of the rest, its name, and no content.
    let length = u8::try_from(name.len()).expect("the name is too long");
    assert!(length < 127, "the length of the section must fit into one byte");
    wasm.extend([0, length + 1, length]);
    wasm.extend(name.as_bytes());
    wasm
}

/// Returns a component with `word` patched into its placeholder; some guests change their behaviour by this word.
#[must_use]
pub fn told_bytes(guest: &str, word: &str) -> Vec<u8> {
    /// The placeholder that the crate of these guests declares.
    const MARK: &[u8] = b"told:...................";
    let mut wasm = guest_bytes(guest);
    let is_mark = |place: &usize| wasm.get(*place..*place + MARK.len()) == Some(MARK);
    let places: Vec<_> = (0..wasm.len()).filter(is_mark).collect();
    let [place] = *places else {
        panic!("{guest} must have exactly one placeholder, but has: {places:?}")
    };
    let begin = place + "told:".len();
    assert!(begin + word.len() < place + MARK.len(), "{word} is too long");
    wasm[begin..begin + word.len()].copy_from_slice(word.as_bytes());
    wasm
}

/// Returns the folder in which the packages of `tests/typescript` are installed.
#[must_use]
pub fn typescript() -> PathBuf {
    let folder = target_folder().join("typescript");
    existing(folder.join("installed"), "cargo xtask test --only setup");
    folder
}

/// Returns the virtual environment with the packages of `tests/python`.
#[must_use]
pub fn python() -> PathBuf {
    let folder = target_folder().join("python");
    existing(folder.join("installed"), "cargo xtask test --only setup");
    folder
}

/// Returns the root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Returns a file of the repository as text, if it exists.
#[must_use]
pub fn text(path: &str) -> Option<String> {
    std::fs::read_to_string(repository().join(path)).ok()
}

/// Returns the target folder of Cargo.
#[must_use]
pub fn target_folder() -> PathBuf {
    profile_folder().parent().unwrap().to_owned()
}

/// Returns `target/debug`, which contains the test binaries in `deps`.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}

fn existing(path: PathBuf, command: &str) -> PathBuf {
    assert!(path.is_file(), "{} is missing; create it with: {command}", path.display());
    path
}
