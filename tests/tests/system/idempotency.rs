//! Repeated calls: executed once per key, with the same response (guarantee S7).

use futures_util::future::join_all;
use highlander_tests::node::Node;
use highlander_tests::reply::Reply;
use serde_json::json;

#[track_caller]
fn check_repeat(repeat: &Reply, first: &Reply) {
    assert!(!first.is_replayed() && repeat.is_replayed(), "{repeat:?}");
    assert_eq!(repeat.content(), first.content());
    assert_eq!(repeat.epoch(), first.epoch(), "the epoch must be that of the version");
}

#[tokio::test]
async fn a_repeated_call_gets_its_first_answer_after_whatever_happened() {
    let mut node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    let first = client.call("counter/a", "add").key("k").json(json!(5)).send().await.done();
    assert_eq!(client.increment("counter/a").await, 6);
    let repeat = async |node: &Node| {
        let call = node.client().call("counter/a", "add").key("k").json(json!(5));
        check_repeat(&call.send().await.done(), &first);
    };
    repeat(&node).await;
    client.deactivate("counter/a").await;
    repeat(&node).await;
    assert!(node.terminate().await.success());
    node.restart().await;
    repeat(&node).await;
    node.kill9();
    node.restart().await;
    repeat(&node).await;
    assert_eq!(node.client().value("counter/a").await, 6);
}

#[tokio::test]
async fn a_repeated_answer_has_the_epoch_of_its_version() {
    let mut node = Node::with_guests(&["counter"]).await;
    let increment = async |node: &Node, key: &str| {
        node.client().call("counter/a", "increment").key(key).send().await.done()
    };
    let first = increment(&node, "first").await;
    node.kill9();
    node.restart().await;
    // The next owner commits, so that the newest version has another epoch.
    assert!(increment(&node, "second").await.epoch() > first.epoch());
    check_repeat(&increment(&node, "first").await, &first);
}

#[tokio::test]
async fn repeats_at_the_same_time_are_one_change() {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    let replies = join_all((0..50).map(|_| client.call("counter/a", "increment").key("k").send()));
    let replies: Vec<_> = replies.await.into_iter().map(Reply::done).collect();
    assert!(replies.iter().all(|reply| reply.version() == 1 && reply.json() == 1));
    assert_eq!(replies.iter().filter(|reply| !reply.is_replayed()).count(), 1);
    assert_eq!(client.value("counter/a").await, 1);
}

#[tokio::test]
async fn a_key_belongs_to_one_object() {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    for object in ["counter/a", "counter/b"] {
        let reply = client.call(object, "increment").key("k").send().await.done();
        assert!(!reply.is_replayed());
    }
}

#[tokio::test]
async fn a_rejected_call_leaves_its_key_unused() {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    let too_much = client.call("counter/a", "add").json(json!(u64::MAX)).send().await.done();
    assert_eq!(too_much.version(), 1);
    for _ in 0..2 {
        let reply = client.call("counter/a", "increment").key("k").send().await;
        let _ = reply.problem("object-rejected");
    }
    let state = client.object(reqwest::Method::PUT, "counter/a").json(json!({ "value": 1 }));
    let _ = state.send().await.done();
    let reply = client.call("counter/a", "increment").key("k").send().await.done();
    assert_eq!((reply.json(), reply.is_replayed()), (json!(2), false));
}

/// Complete responses are cached for the newest 128 keyed calls.
#[tokio::test]
async fn an_answer_that_is_no_longer_kept_was_applied_all_the_same() {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    for call in 0..130 {
        let _ = client.call("counter/a", "increment").key(&call.to_string()).send().await.done();
    }
    let problem = client.call("counter/a", "increment").key("0").send().await;
    let problem = problem.problem("answer-expired");
    assert!(problem["detail"].as_str().unwrap().contains("version 1"), "{problem}");
    let reply = client.call("counter/a", "increment").key("129").send().await.done();
    assert_eq!((reply.json(), reply.is_replayed()), (json!(130), true));
    assert_eq!(client.value("counter/a").await, 130);
}
