//! The data directory: exclusive to one process, with compiled code that is never trusted.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use highlander_tests::command;
use highlander_tests::node::{Node, Options};

#[tokio::test]
async fn a_data_directory_has_one_process() {
    let node = Node::with_guests(&["counter"]).await;
    let second = command::run(node.command(), &[], Stdio::piped()).await;
    let (message, hint) = second.error(2);
    assert!(message.contains("another process"), "{message}");
    assert!(hint.is_some(), "{message}");
    assert_eq!(node.client().increment("counter/a").await, 1);
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    fs::write(&file, "").unwrap();
    let inside = file.join("data");
    let ended = command::highlander().run(&["dev", "--data", inside.to_str().unwrap()]).await;
    let (message, _) = ended.error(2);
    assert!(message.contains("data directory"), "{message}");
}

/// Returns the options of a node whose calls wait long enough for a compilation on a busy machine.
fn compiling() -> Options {
    Options::new().compiling().with("objects.call_timeout", "60s")
}

async fn node_with_code() -> Node {
    let node = Node::start_with(compiling(), &["counter"]).await;
    assert_eq!(node.client().increment("counter/a").await, 1);
    node
}

fn code_files(node: &Node) -> Vec<PathBuf> {
    let entries = fs::read_dir(node.data().join("code")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "code")).collect()
}

async fn check_goes_on(mut node: Node) {
    node.restart().await;
    assert_eq!(node.client().increment("counter/a").await, 2);
    node.client().deploy("counter-v2").await;
    assert_eq!(node.client().increment("counter/a").await, 3);
}

#[tokio::test]
async fn compiled_code_is_kept() {
    let mut node = node_with_code().await;
    let files = code_files(&node);
    assert_eq!(files.len(), 1);
    // A rewritten file has another inode. Its modification time shows only the last use.
    let written = |path: &PathBuf| fs::metadata(path).unwrap().ino();
    let before = written(&files[0]);
    node.restart().await;
    assert_eq!(node.client().increment("counter/a").await, 2);
    assert_eq!((code_files(&node), written(&files[0])), (files.clone(), before));
}

#[tokio::test]
async fn compiled_code_that_was_changed_is_made_again() {
    let mut node = node_with_code().await;
    node.kill9();
    for path in code_files(&node) {
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        fs::write(&path, bytes).unwrap();
    }
    check_goes_on(node).await;
}

#[tokio::test]
async fn compiled_code_that_was_cut_is_made_again() {
    let mut node = node_with_code().await;
    node.kill9();
    for path in code_files(&node) {
        fs::write(&path, b"").unwrap();
    }
    fs::write(node.data().join("code/cache.key"), b"short").unwrap();
    check_goes_on(node).await;
}

/// No user, not even root, can use a file as a folder.
#[tokio::test]
async fn a_node_goes_on_without_a_folder_for_compiled_code() {
    let mut node = Node::start(compiling()).await;
    node.kill9();
    let folder = node.data().join("code");
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, b"").unwrap();
    node.restart().await;
    node.client().deploy("counter").await;
    assert_eq!(node.client().increment("counter/a").await, 1);
    check_goes_on(node).await;
}
