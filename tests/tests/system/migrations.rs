//! States of an older schema under newer code: the next call migrates them, and callers see the same content
//! (guarantee S9).

use highlander_tests::node::Node;
use serde_json::json;

#[tokio::test]
async fn a_state_of_the_first_version_is_migrated_at_the_next_call() {
    let mut node = Node::with_guests(&["todo"]).await;
    let client = node.client();
    let put = client.object(reqwest::Method::PUT, "todo/42");
    let _ = put.json(json!({ "title": "buy milk", "color": "red" })).send().await.done();
    let _ = client.call("todo/42", "complete").send().await.done();
    client.deploy("todo-v2").await;
    let progress = client.call("todo/42", "progress").send().await.done();
    assert_eq!((progress.json(), progress.revision()), (json!(100), 2));
    let shown = json!({ "title": "buy milk", "completed": true, "color": "red", "notes": [] });
    assert_eq!(client.state("todo/42").await.json(), shown);
    let note = client.call("todo/42", "note").json(json!("at the corner")).send().await.done();
    assert_eq!(note.revision(), 2);
    node.kill9();
    node.restart().await;
    let shown = node.client().state("todo/42").await.json();
    assert_eq!(shown["notes"], json!(["at the corner"]));
}

/// Older code cannot damage a state that it cannot read: a newer state is intact once newer code is back.
#[tokio::test]
async fn a_state_of_a_newer_version_outlives_older_code() {
    let node = Node::with_guests(&["todo-v2"]).await;
    let client = node.client();
    let _ = client.call("todo/42", "complete").send().await.done();
    let forced = client.request(reqwest::Method::POST, "/v1/types?force=true");
    let forced = forced.body(highlander_tests::artifacts::guest_bytes("todo")).send().await;
    assert_eq!(forced.status, 201);
    assert_eq!(client.call("todo/new", "is_done").send().await.done().json(), json!(false));
    client.deploy("todo-v2").await;
    assert_eq!(client.call("todo/42", "progress").send().await.done().json(), json!(100));
}
