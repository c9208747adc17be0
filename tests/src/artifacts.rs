//! Where the binary, the components and the repository's files are.
//!
//! Nothing is built here: what is missing ends the test with the command that makes it.

use std::path::{Path, PathBuf};

/// Every component that `cargo xtask build-guests` makes.
pub const GUESTS: &[&str] = &[
    "album",
    "chat-room",
    "counter",
    "counter-moody",
    "counter-v2",
    "forbidden-import",
    "journal",
    "liar",
    "liar-describe",
    "liar-names",
    "liar-schema",
    "limiter",
    "list",
    "misbehaving",
    "reminder",
    "shelf",
    "todo",
    "todo-v2",
    "together",
    "user",
];

/// The `highlander` binary: `HIGHLANDER_BIN`, or the one beside this test.
#[must_use]
pub fn binary() -> PathBuf {
    let path = match std::env::var_os("HIGHLANDER_BIN") {
        Some(path) => PathBuf::from(path),
        None => profile_folder().join("highlander"),
    };
    existing(path, "cargo build --package highlander")
}

/// A component by the name of its package: in `HIGHLANDER_GUESTS`, or in `target/guests`.
#[must_use]
pub fn guest(name: &str) -> PathBuf {
    assert!(GUESTS.contains(&name), "{name} is none of the guests: {}", GUESTS.join(", "));
    existing(guests_folder().join(format!("{name}.wasm")), "cargo xtask build-guests")
}

/// The folder of all components.
#[must_use]
pub fn guests_folder() -> PathBuf {
    match std::env::var_os("HIGHLANDER_GUESTS") {
        Some(path) => PathBuf::from(path),
        None => profile_folder().parent().unwrap().join("guests"),
    }
}

/// The bytes of a component.
#[must_use]
pub fn guest_bytes(name: &str) -> Vec<u8> {
    std::fs::read(guest(name)).unwrap()
}

/// A component that does the same and has other bytes, so that it is another revision.
#[must_use]
pub fn variant_bytes(guest: &str, name: &str) -> Vec<u8> {
    let mut wasm = guest_bytes(guest);
    // A custom section, which nobody reads: its id, the length of what follows, a name of its own and no content.
    let length = u8::try_from(name.len()).expect("a short name");
    assert!(length < 127, "both lengths are one byte");
    wasm.extend([0, length + 1, length]);
    wasm.extend(name.as_bytes());
    wasm
}

/// A component that is told a word by the test, as some guests ask for one: it does something else then.
#[must_use]
pub fn told_bytes(guest: &str, word: &str) -> Vec<u8> {
    /// As the crate of these guests has it.
    const MARK: &[u8] = b"told:...................";
    let mut wasm = guest_bytes(guest);
    let is_mark = |place: &usize| wasm.get(*place..*place + MARK.len()) == Some(MARK);
    let places: Vec<_> = (0..wasm.len()).filter(is_mark).collect();
    let [place] = *places else { panic!("{guest} can be told something at {places:?}") };
    let begin = place + "told:".len();
    assert!(begin + word.len() < place + MARK.len(), "{word} is too long");
    wasm[begin..begin + word.len()].copy_from_slice(word.as_bytes());
    wasm
}

/// Where the packages of `tests/typescript` are installed.
#[must_use]
pub fn typescript() -> PathBuf {
    let folder = profile_folder().parent().unwrap().join("typescript");
    existing(folder.join("installed"), "cargo xtask test --only setup");
    folder
}

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A file of the repository as text, if it is there.
#[must_use]
pub fn text(path: &str) -> Option<String> {
    std::fs::read_to_string(repository().join(path)).ok()
}

/// `target/debug`, in which test binaries are in `deps`.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}

fn existing(path: PathBuf, command: &str) -> PathBuf {
    assert!(path.is_file(), "{} is not there; make it with: {command}", path.display());
    path
}
