//! The same behaviour on every store: the embedded one, our S3 server, and ministack.
//!
//! These checks do not depend on the location of records; other tests cover those that do.

use highlander_tests::client::Client;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::bucket::Kind;
use highlander_tests::cluster::load::{Load, Manner};
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::history::Outcome;
use highlander_tests::history::recorder::Recorder;
use highlander_tests::iterations::iterations;
use highlander_tests::node::Node;
use highlander_tests::seed;
use reqwest::Method;
use serde_json::json;

async fn on(bucket: Kind) -> Cluster {
    let options = ClusterOptions { bucket, nodes: 2, ..ClusterOptions::new() };
    Cluster::start(options.guests(&["journal", "todo"])).await
}

/// Writes, reads, unloads, deletes and rewrites the first object of the README.
async fn check_first_object(client: &Client) {
    let todo = "todo/42";
    let fresh = json!({ "title": "", "completed": false, "color": "blue" });
    assert_eq!(client.state(todo).await.json(), fresh);
    let put = client.object(Method::PUT, todo).json(json!({ "title": "Hello" }));
    assert_eq!(put.send().await.done().version(), 1);
    client.deactivate(todo).await;
    let state = client.state(todo).await;
    let hello = json!({ "title": "Hello", "completed": false, "color": "blue" });
    assert_eq!((state.json(), state.version()), (hello, 1));
    let stale = client.object(Method::PUT, todo).header("if-match", "\"7\"").json(json!({}));
    stale.send().await.problem("version-mismatch");
    assert_eq!(client.object(Method::DELETE, todo).send().await.done().version(), 2);
    assert_eq!(client.state(todo).await.json(), fresh);
    assert_eq!(client.call(todo, "complete").send().await.done().version(), 3);
    let keys = client.get("/v1/objects/todo").send().await.done().json();
    assert_eq!(keys["keys"], json!(["42"]));
}

/// A repeated call is executed once, also after a change of owner.
async fn check_idempotency(client: &Client) {
    let recorder = Recorder::new("journal/keyed");
    let first = recorder.change(client, Some("k")).await;
    assert!(matches!(first, Outcome::Done(_)), "{first:?}");
    let other = recorder.change(client, None).await;
    assert!(matches!(other, Outcome::Done(_)), "{other:?}");
    client.deactivate(recorder.object()).await;
    assert_eq!(recorder.change(client, Some("k")).await, first);
    assert_eq!(recorder.audit(client).await.version, 2);
}

async fn check_crashes(test: &str, cluster: &Cluster) {
    let mut random = seed::random_numbers(test);
    let objects = Objects::journals("crash", 4);
    for round in 0..iterations(2, 20) {
        let load = Load::start(cluster, &objects, Manner::of(cluster, 4), &mut random);
        objects.more_answers(50).await;
        let victim = cluster.node(usize::try_from(round).unwrap() % 2);
        victim.kill9();
        let _ = objects.settle(cluster).await;
        let _ = load.stop().await;
        victim.restart().await;
        let _ = objects.check_history(cluster).await;
    }
}

#[tokio::test]
async fn objects_behave_on_the_embedded_store() {
    let mut node = Node::with_guests(&["journal", "todo"]).await;
    check_first_object(&node.client()).await;
    check_idempotency(&node.client()).await;
    let recorder = Recorder::new("journal/crash");
    for round in 0..iterations(3, 20) {
        let _ = recorder.change(&node.client(), Some(&format!("k{round}"))).await;
        node.kill9();
        node.restart().await;
        assert_eq!(recorder.audit(&node.client()).await.version, round + 1);
    }
}

#[tokio::test]
async fn objects_behave_on_our_s3_server() {
    let cluster = on(Kind::Ours).await;
    check_first_object(&cluster.client(0)).await;
    check_idempotency(&cluster.client(1)).await;
    check_crashes("objects_behave_on_our_s3_server", &cluster).await;
}

#[tokio::test]
async fn objects_behave_on_ministack() {
    let cluster = on(Kind::Ministack).await;
    check_first_object(&cluster.client(0)).await;
    check_idempotency(&cluster.client(1)).await;
    check_crashes("objects_behave_on_ministack", &cluster).await;
}
