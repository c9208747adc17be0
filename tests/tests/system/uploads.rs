//! Uploads that are not components, demand too much, or are malformed: each is rejected with a reason and not
//! published.

use std::path::Path;

use highlander_tests::artifacts;
use highlander_tests::client::Client;
use highlander_tests::node::{Node, Options};
use reqwest::Method;
use serde_json::Value;

async fn types(client: &Client) -> Value {
    client.get("/v1/types").send().await.done().json()
}

/// Uploads bytes that must be rejected, to a node with a counter that must stay unchanged.
async fn check_refused(wasm: Vec<u8>, code: &str, reason: &str) {
    let node = Node::start_with(component_max("512KiB"), &["counter"]).await;
    let client = node.client();
    assert_eq!(client.increment("counter/a").await, 1);
    let before = types(&client).await;
    let problem = client.upload(wasm).await.problem(code);
    let detail = problem["detail"].as_str().unwrap();
    eprintln!("{detail:.1000}");
    assert!(detail.contains(reason), "{reason:?} in {detail:?}");
    assert!(detail.len() < 4 << 10, "{} bytes", detail.len());
    assert_eq!(types(&client).await, before);
    assert_eq!(client.increment("counter/a").await, 2);
}

fn component_max(size: &str) -> Options {
    Options::new().with("node.component_max", size)
}

#[tokio::test]
async fn an_import_that_is_not_granted_is_named() {
    let wasm = artifacts::guest_bytes("forbidden-import");
    check_refused(wasm, "component-refused", "wasi:sockets").await;
}

#[tokio::test]
async fn a_component_that_traps_when_asked_is_refused() {
    check_refused(artifacts::guest_bytes("malformed-describe"), "component-refused", "").await;
}

/// Loops end with the CPU budget of one call, memory with the limit of one instance.
#[tokio::test]
async fn a_component_that_does_harm_when_asked_is_refused() {
    for (word, reason) in [("loop", "processor time"), ("eat", "memory"), ("garbage", "media type")]
    {
        let wasm = artifacts::told_bytes("malformed-describe", word);
        check_refused(wasm, "component-refused", reason).await;
    }
}

#[tokio::test]
async fn a_component_with_impossible_handlers_is_refused() {
    check_refused(artifacts::guest_bytes("malformed-names"), "component-refused", "").await;
}

#[tokio::test]
async fn a_component_with_schemas_that_are_none_is_refused() {
    check_refused(artifacts::guest_bytes("malformed-schema"), "component-refused", "schema").await;
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    check_refused(b"#!/bin/sh\necho hello\n".to_vec(), "component-refused", "").await;
    check_refused(b"\0asm\x01\0\0\0".to_vec(), "component-refused", "").await;
    check_refused(b"\0asm\x0d\0\x01\0".to_vec(), "component-refused", "").await;
    let mut broken = artifacts::guest_bytes("todo");
    broken.truncate(broken.len() / 2);
    check_refused(broken, "component-refused", "").await;
}

#[tokio::test]
async fn an_empty_body_is_refused() {
    check_refused(Vec::new(), "malformed-request", "empty").await;
}

#[tokio::test]
async fn a_component_has_a_limit() {
    check_refused(vec![0; (512 << 10) + 1], "body-too-large", "").await;
}

#[tokio::test]
async fn what_is_uploaded_says_what_it_is() {
    let node = Node::start(Options::new()).await;
    let client = node.client();
    let upload = client.request(Method::POST, "/v1/types").body(artifacts::guest_bytes("counter"));
    upload.header("content-type", "application/json").send().await.problem("malformed-request");
    assert_eq!(types(&client).await["types"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn the_same_component_again_changes_nothing() {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    let before = types(&client).await;
    let reply = client.upload(artifacts::guest_bytes("counter")).await.done();
    assert_eq!(reply.json()["is_new"], false);
    assert_eq!(types(&client).await, before);
}

#[tokio::test]
async fn a_component_that_takes_something_away_needs_force() {
    let node = Node::with_guests(&["counter-v2"]).await;
    let client = node.client();
    let before = types(&client).await;
    let first = artifacts::guest_bytes("counter");
    let problem = client.upload(first.clone()).await.problem("component-refused");
    assert!(problem["detail"].as_str().unwrap().contains("decrement"), "{problem}");
    assert_eq!(types(&client).await, before);
    let forced = client.request(Method::POST, "/v1/types?force=true").body(first).send().await;
    assert_eq!((forced.status, &forced.json()["revision"]), (201, &Value::from(2)));
}

#[tokio::test]
async fn a_component_that_offers_as_much_and_more_needs_no_force() {
    let node = Node::with_guests(&["counter", "todo"]).await;
    let client = node.client();
    for (guest, revision) in [("counter-v2", 2), ("counter-faulty", 3), ("todo-v2", 2)] {
        assert_eq!(client.deploy(guest).await, revision, "{guest}");
    }
}

#[tokio::test]
async fn every_break_of_a_component_is_listed() {
    let node = Node::with_guests(&["todo-v2"]).await;
    let problem = node.client().upload(artifacts::guest_bytes("todo")).await;
    let problem = problem.problem("component-refused");
    let detail = problem["detail"].as_str().unwrap();
    for line in [
        "its schema version is 1, but stored states may have 2",
        "the handler advance is gone",
        "the reply of get: the property notes is gone",
        "the argument of put: the property notes is no longer accepted",
    ] {
        assert!(detail.contains(line), "{line:?} in {detail:?}");
    }
}

#[tokio::test]
async fn every_guest_is_used_by_a_test() {
    let folders =
        ["tests/guests", "example-objects"].map(|path| artifacts::repository().join(path));
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, artifacts::GUESTS);
    let sources = sources(&artifacts::repository().join("tests/tests/system"));
    for name in names {
        assert!(sources.contains(&format!("\"{name}\"")), "no test uses {name}");
    }
}

/// Returns all files of a folder and its subfolders as one text.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(
            |path| {
                if path.is_dir() { sources(&path) } else { std::fs::read_to_string(path).unwrap() }
            },
        )
        .collect()
}
