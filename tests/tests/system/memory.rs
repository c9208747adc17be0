//! The memory of a node: who is refused when it is in use, and that it goes back to the system.

use std::sync::Arc;

use futures_util::future::join_all;
use highlander_tests::client::Client;
use highlander_tests::node::{Node, Options};
use highlander_tests::wait;
use serde_json::json;

const MIB: usize = 1 << 20;
/// Memory of all objects in these tests.
const TOTAL: usize = 512 * MIB;
/// Use up to which idle instances are kept: 85 % of the total.
const HIGH: usize = TOTAL / 100 * 85;

async fn node(options: Options) -> (Node, Client) {
    let options = options.with("sandbox.memory_total", "512MiB").with("sandbox.cpu_max", "10s");
    let node = Node::start_with(options, &["misbehaving", "counter"]).await;
    let client = node.client();
    (node, client)
}

async fn used(client: &Client, kind: &str) -> usize {
    client.metric(&format!("highlander_memory_bytes{{kind=\"{kind}\"}}")).await as usize
}

/// 70 queries that keep 58 MB each, which is 4 GB. They wait for each other, or are refused.
#[tokio::test]
async fn queries_that_keep_memory_stay_within_the_total_and_leave_others_alone() {
    let (node, client) = node(Options::new()).await;
    assert_eq!(client.increment("counter/neighbour").await, 1);
    let client = Arc::new(client);
    let calls = (0..70).map(|number| {
        let client = Arc::clone(&client);
        tokio::spawn(async move {
            let object = format!("misbehaving/{number}");
            client.call(&object, "keep_memory").json(json!(58_000_000)).send().await
        })
    });
    let calls: Vec<_> = calls.collect();
    let (mut peak, mut answered_count) = (node.rss(), 0);
    while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(client.value("counter/neighbour").await, 1);
        answered_count += 1;
        peak = peak.max(node.rss());
    }
    assert!(answered_count > 0, "the neighbour is answered meanwhile");
    assert!(peak < TOTAL / 5 * 6, "{} MiB were in use", peak / MIB);
    let replies = wait::within("all are answered", join_all(calls)).await;
    for reply in replies.into_iter().map(Result::unwrap) {
        if reply.status != 200 {
            reply.problem("node-memory-full");
            assert_eq!(reply.header("retry-after"), "1");
        }
    }
    // Each reached most of its own limit, so that none was kept.
    wait::until("the memory is free", async || used(&client, "instances").await < HIGH).await;
    wait::until("the system has it back", async || node.rss() < HIGH).await;
    // None is quarantined, and new calls find memory.
    for number in 0..3 {
        let object = format!("misbehaving/{number}");
        let _ = client.call(&object, "keep_memory").json(json!(58_000_000)).send().await.done();
    }
}

/// Four objects that take all they can get: each could reach its own limit, but not all at the same time.
#[tokio::test]
async fn a_call_past_the_total_is_not_executed_and_changes_nothing() {
    const OBJECTS: [&str; 4] = ["misbehaving/a", "misbehaving/b", "misbehaving/c", "misbehaving/d"];
    let options = Options::new()
        .with("sandbox.memory_max", "400MiB")
        .with("objects.quarantine_after", "1000000");
    let (_node, client) = node(options).await;
    for object in OBJECTS {
        assert_eq!(client.increment(object).await, 1);
    }
    wait::until("the total was reached", async || {
        let calls = OBJECTS.map(|object| client.call(object, "eat_memory").send());
        let mut refused_count = 0;
        for reply in join_all(calls).await {
            if reply.status == 503 {
                reply.problem("node-memory-full");
                refused_count += 1;
            } else {
                reply.problem("memory-exceeded");
            }
        }
        refused_count > 0
    })
    .await;
    assert!(client.metric("highlander_faults_total{fault=\"node-memory\"}").await >= 1.0);
    for object in OBJECTS {
        let state = client.state(object).await;
        assert_eq!((state.version(), &state.json()["value"]), (1, &json!(1)));
        assert_eq!(client.increment(object).await, 2);
    }
}

#[tokio::test]
async fn idle_instances_are_evicted_and_the_system_gets_their_memory_back() {
    let (node, client) = node(Options::new()).await;
    let before = node.rss();
    // Each keeps less than it takes to be replaced: 120 of them would be 840 MiB.
    for number in 0..120 {
        let object = format!("misbehaving/{number}");
        let _ = client.call(&object, "keep_memory").json(json!(6 * MIB)).send().await.done();
    }
    wait::until("they are evicted", async || used(&client, "instances").await < HIGH).await;
    assert!(client.metric("highlander_instances_evicted_total{why=\"memory\"}").await > 30.0);
    assert!(node.rss() < TOTAL / 5 * 6, "{} MiB", node.rss() / MIB);
    assert_eq!(client.tier("misbehaving/119").await, "resident", "the newest are kept");
    for number in 0..120 {
        client.deactivate(&format!("misbehaving/{number}")).await;
    }
    assert_eq!(used(&client, "instances").await, 0);
    let margin = 64 * MIB;
    wait::until("the system has it back", async || node.rss() < before + margin).await;
}

#[tokio::test]
async fn an_instance_that_has_grown_is_replaced_between_calls() {
    let (_node, client) = node(Options::new()).await;
    let keep = async |bytes: usize| {
        let _ = client.call("misbehaving/a", "keep_memory").json(json!(bytes)).send().await.done();
    };
    let count = async || client.call("misbehaving/a", "change_in_query").send().await.done().json();
    keep(MIB).await;
    assert_eq!((count().await, count().await), (json!(1), json!(2)), "it is the same instance");
    // Ten times as much as an instance may have, in calls that each stay below it.
    for _ in 0..16 {
        keep(40 * MIB).await;
    }
    assert_eq!(count().await, json!(1), "it is another instance");
    assert!(client.metric("highlander_instances_evicted_total{why=\"growth\"}").await >= 16.0);
}
