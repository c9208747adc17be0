//! `highlander new`: a project whose tests pass, and which builds, deploys and responds without edits.

use std::path::Path;
use std::process::Command;

use highlander_tests::command::{self, highlander};
use highlander_tests::node::{Node, Options};

/// Cargo's target folder, kept between runs because compiling the SDK's dependencies takes a while.
pub(crate) const TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/projects");

async fn cargo(project: &Path, arguments: &[&str]) {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(project).args(arguments).env("CARGO_TARGET_DIR", TARGET);
    let ended = command::run_for_long(cargo).await;
    assert_eq!(ended.code, 0, "cargo {arguments:?}: {}\n{}", ended.stderr, ended.stdout);
}

#[tokio::test]
async fn a_new_project_works_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("my-thing");
    let _ = highlander().run_in(folder.path(), &["new", "my-thing"]).await.done();
    cargo(&project, &["test", "--quiet"]).await;
    cargo(&project, &["build", "--quiet", "--release", "--target", "wasm32-wasip2"]).await;
    let wasm = Path::new(TARGET).join("wasm32-wasip2/release/my_thing.wasm");

    let node = Node::start(Options::new()).await;
    let deployed = node.cli(&["deploy", wasm.to_str().unwrap()]).await.done();
    assert_eq!(deployed.stdout, "my-thing revision 1\n");
    let state = node.cli(&["get", "my-thing/1"]).await.done().json();
    assert!(state.is_object(), "{state}");
}

/// The second object of a project: it calls the first one with typed calls, and takes an argument of the shared
/// crate.
const GUESTBOOK: &str = r#"
use highlander_sdk::prelude::*;
use my_first::MyFirst;
use people::Person;

#[derive(ObjectState)]
pub struct Guestbook {
    answers: Vec<String>,
}

#[object]
impl Guestbook {
    fn sign(&mut self, person: Person) -> Result<String, Rejection> {
        person.check()?;
        let answer = MyFirst::at("door").greet(person.name)?;
        self.answers.push(answer.clone());
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::Harness;

    use super::Guestbook;

    #[test]
    fn a_person_without_a_name_cannot_sign() {
        let mut book = Harness::<Guestbook>::new();
        assert_eq!(book.rejection("sign", json!({ "name": "" })).code(), "no-name");
    }
}
"#;

#[tokio::test]
async fn objects_of_a_project_share_a_crate_and_call_each_other_with_types() {
    let folder = tempfile::tempdir().unwrap();
    let new = async |place: &Path, arguments: &[&str]| {
        let arguments = [&["new"], arguments].concat();
        let _ = highlander().run_in(place, &arguments).await.done();
    };
    new(folder.path(), &["my-first"]).await;
    let project = folder.path().join("my-first");
    new(&project, &["people", "--library"]).await;
    new(&project, &["guestbook", "--uses", "my-first", "--uses", "people"]).await;
    new(&project, &["untouched"]).await;
    std::fs::write(project.join("guestbook/src/lib.rs"), GUESTBOOK).unwrap();
    cargo(&project, &["test", "--quiet"]).await;
    cargo(&project, &["build", "--quiet", "--release", "--target", "wasm32-wasip2"]).await;

    let node = Node::start(Options::new()).await;
    for file in ["my_first", "guestbook", "untouched"] {
        let wasm = Path::new(TARGET).join(format!("wasm32-wasip2/release/{file}.wasm"));
        let _ = node.cli(&["deploy", wasm.to_str().unwrap()]).await.done();
    }
    let sign = ["call", "guestbook/hall", "sign", r#"{"name":"Ada"}"#];
    assert_eq!(node.cli(&sign).await.done().json(), "Hello, Ada! You are number 1.");
    assert_eq!(node.cli(&["call", "my-first/door", "greeted"]).await.done().json(), 1);
    assert_eq!(
        node.cli(&["call", "untouched/1", "greet", "\"Bo\""]).await.done().json(),
        "Hello, Bo! You are number 1."
    );
}

#[tokio::test]
async fn a_project_is_not_made_over_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let new = async |name: &str| highlander().run_in(folder.path(), &["new", name]).await;
    let _ = new("my-thing").await.done();
    let before = std::fs::read(folder.path().join("my-thing/Cargo.toml")).unwrap();
    let (message, _) = new("my-thing").await.error(2);
    assert!(message.contains("my-thing"), "{message}");
    assert_eq!(std::fs::read(folder.path().join("my-thing/Cargo.toml")).unwrap(), before);
}

#[tokio::test]
async fn a_project_has_the_name_of_a_type() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["My Thing", "1thing", "../thing", ""] {
        let ended = highlander().run_in(folder.path(), &["new", name]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{name:?}: {}", ended.stderr);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
