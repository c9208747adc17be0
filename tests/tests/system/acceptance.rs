//! Acceptance test: the introductory example, a todo that survives everything except its deletion.

use highlander_tests::node::{Node, Options};
use highlander_tests::wait;
use reqwest::Method;
use serde_json::json;

async fn put_hello(node: &Node) {
    let client = node.client();
    assert_eq!(
        client.state("todo/42").await.json(),
        json!({ "title": "", "completed": false, "color": "blue" })
    );
    let put = client.object(Method::PUT, "todo/42").json(json!({ "title": "Hello" }));
    assert_eq!(put.send().await.done().version(), 1);
    expect_hello(node).await;
}

async fn expect_hello(node: &Node) {
    let reply = node.client().state("todo/42").await;
    let hello = json!({ "title": "Hello", "completed": false, "color": "blue" });
    assert_eq!((reply.json(), reply.version()), (hello, 1));
}

#[tokio::test]
async fn a_todo_outlives_its_teardown() {
    let options = Options::new().with("objects.idle_timeout", "1s");
    let node = Node::start_with(options, &["todo"]).await;
    put_hello(&node).await;
    let client = node.client();
    wait::until("the todo is cold", async || client.tier("todo/42").await == "cold").await;
    expect_hello(&node).await;
    assert_eq!(client.tier("todo/42").await, "resident");
    client.deactivate("todo/42").await;
    assert_eq!(client.tier("todo/42").await, "cold");
    expect_hello(&node).await;
}

#[tokio::test]
async fn a_todo_outlives_its_node() {
    let mut node = Node::with_guests(&["todo"]).await;
    put_hello(&node).await;
    assert!(node.terminate().await.success());
    node.restart().await;
    expect_hello(&node).await;
    node.kill9();
    node.restart().await;
    expect_hello(&node).await;
}

#[tokio::test]
async fn the_epoch_rises_with_every_owner_that_commits() {
    let mut node = Node::with_guests(&["todo"]).await;
    let mut epoch = 0;
    for version in 1..=3 {
        let reply = node.client().call("todo/42", "complete").send().await.done();
        assert_eq!(reply.version(), version);
        assert!(reply.epoch() > epoch, "{} after {epoch}", reply.epoch());
        epoch = reply.epoch();
        node.kill9();
        node.restart().await;
    }
    // A deletion is a version too, and the next change continues from it.
    let client = node.client();
    assert_eq!(client.object(Method::DELETE, "todo/42").send().await.done().version(), 4);
    let reply = client.call("todo/42", "complete").send().await.done();
    assert!(reply.version() == 5 && reply.epoch() > epoch, "{reply:?}");
}
