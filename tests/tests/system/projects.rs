//! `highlander new`: a project that tests, builds, deploys and answers unchanged.

use std::path::Path;
use std::process::Command;

use highlander_tests::command::{self, highlander};
use highlander_tests::node::{Node, Options};

/// Where Cargo puts what it compiles: kept between two runs, since the SDK's dependencies take a while.
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
