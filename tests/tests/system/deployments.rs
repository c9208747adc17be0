//! New code for live objects: callers notice nothing but the new behaviour (guarantee S9, fault 33).

use std::sync::Arc;

use futures_util::future::join_all;
use highlander_tests::history::recorder::Recorder;
use highlander_tests::load::Load;
use highlander_tests::node::Node;
use highlander_tests::wait;
use serde_json::json;

const OBJECTS: usize = 10;

#[tokio::test]
async fn no_call_fails_while_the_next_revision_is_deployed() {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    let objects: Vec<_> = (0..OBJECTS).map(|index| format!("counter/{index}")).collect();
    let recorders: Vec<_> = objects.iter().map(|object| Arc::new(Recorder::new(object))).collect();
    let loads: Vec<_> = recorders.iter().map(|one| Load::start(&client, one, 2, 0)).collect();
    let answered = async |more: u64| {
        let waiting = recorders.iter().map(|one| one.has_answered(one.answered_count() + more));
        wait::within("answers of every object", join_all(waiting)).await;
    };
    answered(20).await;
    assert_eq!(client.deploy("counter-v2").await, 2);
    answered(20).await;
    for load in loads {
        assert_eq!(load.stop().await, 0, "calls failed during the deployment");
    }
    for (recorder, object) in recorders.iter().zip(&objects) {
        let last = recorder.audit(&client).await;
        let reply = client.call(object, "decrement").send().await.done();
        assert_eq!((reply.json(), reply.revision()), (json!(last.value - 1), 2));
    }
}

#[tokio::test]
async fn an_object_goes_on_with_its_state_and_the_new_code() {
    let mut node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    let before = client.call("counter/a", "add").json(json!(5)).send().await.done();
    assert_eq!(before.revision(), 1);
    client.call("counter/a", "decrement").send().await.problem("unknown-handler");
    client.deploy("counter-v2").await;
    let after = client.call("counter/a", "decrement").send().await.done();
    assert_eq!((after.json(), after.version(), after.revision()), (json!(4), 2, 2));
    node.kill9();
    node.restart().await;
    let changes = node.client().call("counter/a", "changes").send().await.done();
    assert_eq!((changes.json(), changes.revision()), (json!(1), 2));
}

/// An object keeps the newer code that wrote its state; older code gets the other objects.
#[tokio::test]
async fn an_object_whose_state_the_code_cannot_read_stays_on_its_own() {
    let node = Node::with_guests(&["counter-v2"]).await;
    let client = node.client();
    assert_eq!(client.increment("counter/a").await, 1);
    let forced = client.request(reqwest::Method::POST, "/v1/types?force=true");
    let forced = forced.body(highlander_tests::artifacts::guest_bytes("counter")).send().await;
    assert_eq!(forced.status, 201);
    let reply = client.call("counter/a", "increment").send().await.done();
    assert_eq!((reply.json(), reply.revision()), (json!(2), 1));
    let reply = client.call("counter/b", "increment").send().await.done();
    assert_eq!((reply.json(), reply.revision()), (json!(1), 2));
    let shown = client.get("/v1/types/counter").send().await.done().json();
    let why = shown["pinned"]["a"].as_str().unwrap_or_default();
    assert!(why.contains("cannot read its state"), "{shown}");
    client.deploy("counter-v2").await;
    let reply = client.call("counter/a", "increment").send().await.done();
    assert_eq!((reply.json(), reply.revision()), (json!(3), 3));
}

#[tokio::test]
async fn types_live_beside_each_other() {
    let node = Node::with_guests(&["list", "todo", "user"]).await;
    let client = node.client();
    let insert = client.call("list/home", "insert_todo").json(json!({ "todo": "42" }));
    assert_eq!(insert.send().await.done().json(), 1);
    let rename = client.call("user/ada", "rename").json(json!("Ada"));
    let _ = rename.send().await.done();
    let twice = client.call("list/home", "insert_todo").json(json!({ "todo": "42" })).send().await;
    let problem = twice.problem("object-rejected");
    assert_eq!(problem["rejection"]["code"], "duplicate-todo");
    assert_eq!(problem["object"], "list/home");
    assert_eq!(
        client.state("user/ada").await.json(),
        json!({ "name": "Ada", "lists": [], "notices": [] })
    );
}
