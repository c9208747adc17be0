//! Acceptance test of the cluster: any node answers for any object, and exactly one of them owns it.

use std::sync::Arc;

use futures_util::future::join_all;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::cluster::shared::Shared;
use highlander_tests::wait;
use reqwest::Method;
use serde_json::{Value, json};

static SHARED: Shared = Shared::new();

async fn cluster() -> Arc<Cluster> {
    SHARED.get(|| ClusterOptions::new().guests(&["counter", "list", "todo", "user"])).await
}

/// Returns the owner of an object as a node reports it: the node's id, and the object's tier.
async fn owner(cluster: &Cluster, node: usize, object: &str) -> (Value, Value) {
    let owner = cluster.client(node).get(&format!("/v1/objects/{object}/owner"));
    let owner = owner.send().await.done().json();
    (owner["node"].clone(), owner["tier"].clone())
}

#[tokio::test]
async fn an_object_starts_when_it_is_asked_to_do_something() {
    let cluster = cluster().await;
    let client = cluster.client(0);
    assert_eq!(owner(&cluster, 0, "counter/starts").await.0, Value::Null);
    assert_eq!(client.increment("counter/starts").await, 1);
    for node in 0..3 {
        let (id, _) = owner(&cluster, node, "counter/starts").await;
        let id = id.as_str().expect("the object has an owner");
        assert_eq!(cluster.index_of(id), Some(cluster.owner_of("counter/starts").await));
    }
}

#[tokio::test]
async fn two_nodes_cannot_start_the_same_object() {
    let cluster = cluster().await;
    let clients: Vec<_> = (0..3).map(|node| cluster.client(node)).collect();
    let calls = (0..30).map(|call| clients[call % 3].call("counter/one", "increment").send());
    let replies: Vec<_> = join_all(calls).await.into_iter().map(|reply| reply.done()).collect();
    let mut numbers: Vec<_> = replies.iter().map(|reply| reply.json().as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
    let first = &replies[0];
    for reply in &replies {
        assert_eq!(reply.owner(), first.owner());
        assert_eq!(reply.epoch(), first.epoch());
    }
}

#[tokio::test]
async fn an_object_started_on_one_node_is_found_and_changed_from_another() {
    let cluster = cluster().await;
    for (node, expected) in (0..3).cycle().zip(1..=9) {
        assert_eq!(cluster.client(node).increment("counter/found").await, expected);
        assert_eq!(cluster.client((node + 1) % 3).value("counter/found").await, expected);
    }
}

#[tokio::test]
async fn objects_with_defaults_are_read_and_written_through_any_node() {
    let cluster = cluster().await;
    let todo = "todo/any-node";
    let fresh = json!({ "title": "", "completed": false, "color": "blue" });
    for node in 0..3 {
        assert_eq!(cluster.client(node).state(todo).await.json(), fresh);
    }
    for (node, version) in (0..3).zip(1..) {
        let title = format!("Hello from {node}");
        let put = cluster.client(node).object(Method::PUT, todo).json(json!({ "title": title }));
        assert_eq!(put.send().await.done().version(), version);
        for reader in 0..3 {
            let reply = cluster.client(reader).state(todo).await;
            let state = json!({ "title": title, "completed": false, "color": "blue" });
            assert_eq!((reply.json(), reply.version()), (state, version));
        }
    }
}

#[tokio::test]
async fn conditions_hold_through_any_node() {
    let cluster = cluster().await;
    let put = async |node: usize, version: &str| {
        let put = cluster.client(node).object(Method::PUT, "todo/conditions");
        put.header("if-match", version).json(json!({ "title": version })).send().await
    };
    let first = cluster.client(0).object(Method::PUT, "todo/conditions").json(json!({}));
    assert_eq!(first.send().await.done().version(), 1);
    assert_eq!(put(1, "\"1\"").await.done().version(), 2);
    put(2, "\"1\"").await.problem("version-mismatch");
    assert_eq!(put(2, "\"2\"").await.done().version(), 3);
}

#[tokio::test]
async fn what_an_object_refuses_is_told_through_any_node() {
    let cluster = cluster().await;
    for node in 0..3 {
        let call = cluster.client(node).call("list/refuses", "remove_todo").json(json!("milk"));
        let problem = call.send().await.problem("object-rejected");
        assert_eq!(problem["rejection"]["code"], "unknown-todo");
    }
}

#[tokio::test]
async fn an_object_is_a_file_again_and_comes_back_anywhere() {
    let cluster = cluster().await;
    let object = "counter/file";
    for round in 0..6 {
        let (caller, other) = (cluster.client(round % 3), cluster.client((round + 1) % 3));
        let reply = caller.call(object, "increment").send().await.done();
        assert_eq!(reply.version(), round as u64 + 1);
        let _ = other.call(object, "deactivate").send().await.done();
        wait::until("the object has no owner", async || {
            owner(&cluster, 0, object).await == (Value::Null, json!("cold"))
        })
        .await;
        let record: Value = serde_json::from_slice(&cluster.record(object).await.unwrap()).unwrap();
        assert_eq!(record["version"], round as u64 + 1);
    }
}

#[tokio::test]
async fn a_deleted_object_is_gone_on_every_node() {
    let cluster = cluster().await;
    let object = "todo/deleted";
    let reply = cluster.client(0).call(object, "complete").send().await.done();
    let deleted = cluster.client(1).object(Method::DELETE, object).send().await.done();
    assert_eq!(deleted.version(), reply.version() + 1);
    for node in 0..3 {
        let state = cluster.client(node).state(object).await;
        assert_eq!((&state.json()["completed"], state.version()), (&json!(false), 2));
    }
    let again = cluster.client(2).call(object, "complete").send().await.done();
    assert!(again.version() == 3 && again.epoch() >= reply.epoch(), "{again:?}");
}

#[tokio::test]
async fn a_repeated_call_gets_its_first_answer_through_any_node() {
    let cluster = cluster().await;
    let call = async |node: usize| {
        cluster.client(node).call("counter/keyed", "increment").key("k").send().await.done()
    };
    let first = call(0).await;
    assert!(!first.is_replayed());
    for node in 0..3 {
        let repeat = call(node).await;
        assert!(repeat.is_replayed(), "{repeat:?}");
        assert_eq!(repeat.content(), first.content());
    }
}

#[tokio::test]
async fn keys_are_listed_through_any_node() {
    let cluster = cluster().await;
    for number in 0..5 {
        cluster.client(number % 3).increment(&format!("counter/listed-{number}")).await;
    }
    for node in 0..3 {
        let page = cluster.client(node).get("/v1/objects/counter?prefix=listed-&limit=3");
        let page = page.send().await.done().json();
        assert_eq!(page["keys"], json!(["listed-0", "listed-1", "listed-2"]));
        let next = page["next"].as_str().expect("another page");
        let rest = format!("/v1/objects/counter?prefix=listed-&limit=3&after={next}");
        let rest = cluster.client(node).get(&rest).send().await.done().json();
        assert_eq!(rest["keys"], json!(["listed-3", "listed-4"]));
    }
}
