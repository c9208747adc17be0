//! Garbage collection of components removes exactly those that no object needs.

use std::time::Duration;

use highlander_tests::artifacts;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::wait::until;
use reqwest::Method;
use serde_json::Value;

/// Changes over all objects without the stage *watching*, so that the roll-out closes at once.
const UNWATCHED: &str = "max_failures=none";

async fn deploy(cluster: &Cluster, component: Vec<u8>, revision: u64) {
    let reply = cluster.client(0).upload_on(UNWATCHED, component).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(reply.json()["revision"], revision);
}

/// Returns the revisions of the counter whose components were collected.
async fn collected(cluster: &Cluster) -> Vec<u64> {
    let document = cluster.client(1).get("/v1/types/counter").send().await.done().json();
    let revisions = document["revisions"].as_array().unwrap();
    let gone = revisions.iter().filter(|revision| revision["is_collected"] == Value::Bool(true));
    gone.map(|revision| revision["number"].as_u64().unwrap()).collect()
}

async fn increment(cluster: &Cluster, node: usize, object: &str) -> u64 {
    cluster.client(node).call(object, "increment").send().await.done().revision()
}

#[tokio::test]
async fn a_component_goes_when_no_object_needs_it_and_can_come_again() {
    let options = ClusterOptions::new()
        .session(Duration::from_secs(6))
        .guests(&["counter"])
        .with("objects.revisions_kept", "1")
        .with("objects.component_retention", "1s");
    let cluster = Cluster::start(options).await;
    // An object whose state `counter-faulty` cannot read stays on the first revision, whichever follow.
    for object in ["counter/plain", "counter/refuse-1"] {
        assert_eq!(increment(&cluster, 0, object).await, 1);
    }
    deploy(&cluster, artifacts::guest_bytes("counter-faulty"), 2).await;
    assert_eq!(increment(&cluster, 1, "counter/plain").await, 2);
    assert_eq!(increment(&cluster, 2, "counter/refuse-1").await, 1);
    deploy(&cluster, artifacts::variant_bytes("counter-faulty", "again"), 3).await;
    assert_eq!(increment(&cluster, 2, "counter/plain").await, 3);
    assert_eq!(increment(&cluster, 0, "counter/refuse-1").await, 1);

    until("revision 2 is collected", async || collected(&cluster).await == [2]).await;
    let client = cluster.client(2);
    client.deactivate("counter/refuse-1").await;
    assert_eq!(increment(&cluster, 1, "counter/refuse-1").await, 1);
    let back = client.request(Method::POST, "/v1/types/counter/rollback?to=2").send().await;
    back.problem("revision-not-found");

    deploy(&cluster, artifacts::guest_bytes("counter-faulty"), 4).await;
    assert_eq!(increment(&cluster, 0, "counter/plain").await, 4);
    until("revision 3 is collected", async || collected(&cluster).await == [2, 3]).await;
    assert_eq!(increment(&cluster, 1, "counter/plain").await, 4);
    assert_eq!(increment(&cluster, 1, "counter/refuse-1").await, 1);
}
