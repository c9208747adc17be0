//! Quarantine of objects whose code fails repeatedly, on whichever node they are (fault 33).

use highlander_tests::client::Client;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::load::{Load, Manner};
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::command::highlander;
use highlander_tests::{artifacts, seed, wait};
use serde_json::json;

/// Limit of consecutive traps before the quarantine.
const TRAPS: usize = 3;

/// Traps until the object is quarantined.
async fn trap_until_quarantined(client: &Client, object: &str) {
    for _ in 0..TRAPS {
        client.call(object, "trap_after_change").send().await.problem("object-trapped");
    }
    let reply = client.call(object, "value").send().await;
    reply.problem("object-quarantined");
    let seconds: u64 = reply.header("retry-after").parse().expect("a number of seconds");
    assert!((1..=10).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_quarantined_object_is_so_on_its_next_node_and_harms_no_other() {
    let test = "a_quarantined_object_is_so_on_its_next_node_and_harms_no_other";
    let mut random = seed::random_numbers(test);
    let options = ClusterOptions::new().guests(&["journal", "misbehaving"]);
    let options = options.with("objects.quarantine_after", &TRAPS.to_string());
    let cluster = Cluster::start(options).await;
    let object = "misbehaving/a";
    assert_eq!(cluster.client(1).increment(object).await, 1);
    let owner = cluster.owner_of(object).await;
    let neighbours = Objects::new(cluster.objects_on(owner, "journal", 4).await);
    let other = cluster.client((owner + 1) % 3);

    let load = Load::start(&cluster, &neighbours, Manner::of(&cluster, 4), &mut random);
    neighbours.more_answers(super::ANSWERS).await;
    trap_until_quarantined(&other, object).await;
    assert_eq!(other.increment("misbehaving/b").await, 1, "other objects of the type must work");
    neighbours.more_answers(super::ANSWERS).await;
    let met = load.stop().await;
    assert_eq!(met.failed, 0, "{met:?}");

    cluster.node(owner).kill9();
    wait::until("its next node answers", async || {
        let call = other.call(object, "value").header("highlander-timeout", "1s");
        let reply = call.try_send().await.expect("the node runs");
        assert_ne!(reply.status, 200, "a quarantined object was run, on {}", reply.owner());
        reply.json()["code"] == "object-quarantined"
    })
    .await;
    cluster.node(owner).restart().await;
    let resume = highlander().url(&cluster.node(owner).url()).run(&["resume", object]).await;
    let _ = resume.done();
    assert_eq!(other.increment(object).await, 2, "the state before the trap must remain");

    trap_until_quarantined(&other, object).await;
    let wasm = artifacts::variant_bytes("misbehaving", "mended");
    let reply = other.upload(wasm).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let reply = other.call(object, "increment").send().await.done();
    assert_eq!((reply.json(), reply.revision()), (json!(3), 2));
    let _ = neighbours.check_history(&cluster).await;
}

/// After the pause one call is let through; if it fails, the next pause is longer.
#[tokio::test]
async fn a_quarantine_ends_by_itself_and_is_longer_the_next_time() {
    let options = ClusterOptions { nodes: 1, ..ClusterOptions::new().guests(&["misbehaving"]) };
    let cluster = Cluster::start(options.with("objects.quarantine_after", "3")).await;
    let client = cluster.client(0);
    trap_until_quarantined(&client, "misbehaving/a").await;
    let answer = async || client.call("misbehaving/a", "trap").send().await;
    wait::until("the pause is over", async || answer().await.json()["code"] == "object-trapped")
        .await;
    let reply = answer().await;
    reply.problem("object-quarantined");
    let seconds: u64 = reply.header("retry-after").parse().expect("a number of seconds");
    assert!((11..=20).contains(&seconds), "{seconds}");
}
