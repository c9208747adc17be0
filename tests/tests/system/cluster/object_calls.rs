//! Objects that interact across nodes, under faults (guarantees S5, S7, O3).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use highlander_s3_server::faults::{Fault, Operation, Rule};
use highlander_tests::client::Client;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::iterations::iterations;
use highlander_tests::reply::Reply;
use highlander_tests::{seed, wait};
use parking_lot::Mutex;
use rand::{Rng as _, RngExt as _};
use serde_json::{Value, json};
use tokio::time::Instant;

async fn cluster() -> Cluster {
    let options = ClusterOptions::new().guests(&["interacting"]);
    let options = options.with("sandbox.compile_time_max", "2m");
    Cluster::start(options.session(Duration::from_secs(4))).await
}

async fn state(client: &Client, key: &str) -> Value {
    client.state(&format!("interacting/{key}")).await.json()
}

/// Returns objects that live on this node.
async fn objects_on(cluster: &Cluster, node: usize, prefix: &str, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    for number in 0..count * 40 {
        let object = format!("interacting/{prefix}{number}");
        let reply = cluster.client(0).state(&object).await;
        if cluster.index_of(reply.owner()) == Some(node) {
            found.push(object);
        }
        if found.len() == count {
            return found;
        }
    }
    panic!("node {node} owns {} of {} objects", found.len(), count * 40);
}

/// Repeats a call under one key until it succeeds: it takes effect once, whatever happens to the nodes.
async fn surely(
    cluster: &Cluster,
    object: &str,
    handler: &str,
    argument: &Value,
    key: &str,
) -> Value {
    let (mut node, any) = (0, cluster.client(0));
    wait::within("the call is done", async {
        loop {
            node += 1;
            let client = any.at(&cluster.node(node % 3).url());
            let call = client.call(object, handler).json(argument.clone()).key(key);
            let call = call.header("highlander-timeout", "10s");
            match call.try_send().await {
                Ok(reply) if reply.status == 200 => return reply.json(),
                Ok(reply) if reply.status == 422 || reply.status == 400 => {
                    panic!("{}", reply.text())
                }
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_chain_goes_through_all_nodes_and_a_cycle_is_named() {
    let cluster = cluster().await;
    let mut path = Vec::new();
    for round in 0..2 {
        for node in 0..3 {
            let object = objects_on(&cluster, node, &format!("{round}-"), 1).await.remove(0);
            path.push(object.trim_start_matches("interacting/").to_owned());
        }
    }
    let first = format!("interacting/{}", path[0]);
    let rest = json!({ "path": &path[1..] });
    let answer = cluster.client(2).call(&first, "chain").json(rest).send().await.done().json();
    let expected: Vec<_> = path.iter().rev().collect();
    assert_eq!(answer, json!(expected));
    let circle: Vec<_> = path[1..].iter().chain(&path[..1]).collect();
    let began = Instant::now();
    let call = cluster.client(0).call(&first, "chain").json(json!({ "path": circle }));
    let problem = call.send().await.problem("object-rejected");
    assert_eq!(problem["rejection"]["code"], "call-cycle", "{problem}");
    let text = problem["rejection"]["message"].as_str().unwrap();
    assert!(text.contains(&format!("-> {first}")), "{text}");
    assert!(began.elapsed() < Duration::from_secs(5));
    for key in &path {
        assert_eq!(state(&cluster.client(0), key).await["chains"], 1, "{key}");
    }
}

/// Every call returns long before its deadline, and every acknowledged call took effect.
#[tokio::test]
async fn objects_that_call_each_other_at_random_do_not_wait_for_ever_when_nodes_die() {
    let mut random = seed::random_numbers(
        "objects_that_call_each_other_at_random_do_not_wait_for_ever_when_nodes_die",
    );
    let cluster = Arc::new(cluster().await);
    let any = cluster.client(0);
    let among: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let (through, done, failed): (AtomicU64, AtomicU64, AtomicU64) = Default::default();
    let refusals = Mutex::new(BTreeMap::<String, u64>::new());
    let calls: Vec<_> = (0..iterations(1_500, 20_000)).map(|_| random.next_u64()).collect();
    let made = stream::iter(calls).map(|seed| {
        let (cluster, any, among) = (&cluster, &any, &among);
        let (through, done, refusals, failed) = (&through, &done, &refusals, &failed);
        async move {
            let first = format!("interacting/{}", seed % 100);
            let hops = seed % 6;
            let wander = json!({ "hops": hops, "seed": seed >> 12, "among": among });
            // A node listens on another port after a restart.
            let client = any.at(&cluster.node(seed as usize % 3).url());
            let call = client.call(&first, "wander").json(wander);
            match call.header("highlander-timeout", "20s").try_send().await {
                Ok(reply) if reply.status == 200 => {
                    through.fetch_add(reply.json().as_u64().unwrap(), Ordering::Relaxed);
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok(reply) if reply.status == 422 => {
                    *refusals.lock().entry(refusal(&reply)).or_default() += 1;
                }
                // A node is dead or dying.
                _ => drop(failed.fetch_add(1, Ordering::Relaxed)),
            }
        }
    });
    let made = made.buffer_unordered(32).collect::<Vec<_>>();
    let dying = async {
        for _ in 0..iterations(2, 10) {
            let victim = random.random_range(0..3);
            tokio::time::sleep(Duration::from_secs(2)).await;
            cluster.node(victim).kill9();
            cluster.node(victim).restart().await;
        }
    };
    let both = Box::pin(async { tokio::join!(made, dying) });
    let (_, ()) = wait::within_of(Duration::from_mins(4), "all calls are answered", both).await;
    cluster.is_whole().await;
    let (done, failed) = (done.into_inner(), failed.into_inner());
    let told = format!("{done} done, rejected {:?}, {failed} lost with a node", refusals.lock());
    println!("{told}");
    assert!(done > iterations(1_500, 20_000) / 5, "{told}");
    let mut wandered = 0;
    for key in &among {
        wandered += state(&cluster.client(0), key).await["wanders"].as_u64().unwrap();
    }
    let through = through.into_inner();
    assert!(wandered >= through, "{through} calls were answered, but only {wandered} took effect");
}

/// Returns the rejection code of a chain: another chain was in the way, or its node's death took an object of the
/// chain.
fn refusal(reply: &Reply) -> String {
    let problem = reply.problem("object-rejected");
    let code = problem["rejection"]["code"].as_str().unwrap();
    let expected =
        ["call-conflict", "call-cycle", "callee-unavailable", "call-unknown", "call-timed-out"];
    assert!(expected.contains(&code), "{problem}");
    if ["call-conflict", "call-cycle"].contains(&code) {
        let message = problem["rejection"]["message"].as_str().unwrap();
        assert!(
            message.contains(" -> interacting/"),
            "the message does not name the cycle: {message}"
        );
    }
    code.to_owned()
}

#[tokio::test]
async fn every_message_has_its_effect_once_and_in_order_whatever_happens() {
    let mut random =
        seed::random_numbers("every_message_has_its_effect_once_and_in_order_whatever_happens");
    let cluster = Arc::new(cluster().await);
    let (objects, per_pair) = (100, 10);
    let mut to: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for sender in 0..objects {
        let receivers = (0..10).map(|n| ((sender + 1 + n * 7) % objects).to_string());
        to.insert(sender, receivers.collect());
    }
    for fault in [
        Rule::new(Fault::Refuse(503, "SlowDown")).with_chance(0.02).times(200),
        Rule::new(Fault::LoseAnswer).on(Operation::Put).with_chance(0.02).times(100),
    ] {
        cluster.faults().add(fault.key_with("/interacting/"));
    }
    let sends = to.iter().flat_map(|(sender, receivers)| {
        (0..per_pair).map(move |round| (*sender, receivers.clone(), round))
    });
    let sends = stream::iter(sends).map(|(sender, receivers, round)| {
        let cluster = &cluster;
        async move {
            let send = json!({ "to": receivers, "count": 1, "tag": "t" });
            let key = format!("{sender}-{round}");
            surely(cluster, &format!("interacting/{sender}"), "send", &send, &key).await;
        }
    });
    let sends = sends.buffer_unordered(24).collect::<Vec<_>>();
    let faults = async {
        for round in 0..iterations(4, 12) {
            tokio::time::sleep(Duration::from_millis(random.random_range(500..2_500))).await;
            let victim = random.random_range(0..3);
            if round % 2 == 0 {
                cluster.node(victim).kill9();
                cluster.node(victim).restart().await;
            } else {
                cluster.node(victim).freeze();
                tokio::time::sleep(Duration::from_secs(6)).await;
                cluster.node(victim).thaw();
            }
        }
    };
    let both = Box::pin(async { tokio::join!(sends, faults) });
    let (_, ()) = wait::within_of(Duration::from_mins(6), "all messages are sent", both).await;
    cluster.is_whole().await;
    let mut total = 0;
    for (sender, receivers) in &to {
        for receiver in receivers {
            let sender = sender.to_string();
            let account =
                async || state(&cluster.client(0), receiver).await["received"][&sender].clone();
            wait::within_of(Duration::from_mins(3), "all messages arrive", async {
                while account().await["count"].as_u64() < Some(per_pair) {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            })
            .await;
            let account = account().await;
            assert_eq!(account["count"], per_pair, "{sender} to {receiver}: {account}");
            for bad in ["out_of_order", "not_rising", "not_from_sender"] {
                assert_eq!(account[bad], 0, "{bad}, {sender} to {receiver}: {account}");
            }
            total += per_pair;
        }
    }
    println!("{total} messages, each delivered once and in order");
}

#[tokio::test]
async fn nothing_leaves_an_object_whose_commit_fails() {
    let cluster = cluster().await;
    let client = cluster.client(0);
    let name = "interacting/gated";
    let _ = client.call(name, "chain").json(json!({ "path": [] })).send().await.done();
    let _ = client.call("interacting/b", "chain").json(json!({ "path": [] })).send().await.done();
    cluster
        .faults()
        .add(Rule::new(Fault::Refuse(403, "AccessDenied")).on(Operation::Put).key_with("/gated"));
    let send = json!({ "to": ["b"], "count": 3, "tag": "never" });
    let answer = client.call(name, "send").json(send).send().await;
    assert_ne!(answer.status, 200, "{}", answer.text());
    let alarm = json!({ "name": "never", "after_ms": 1 });
    assert_ne!(client.call(name, "set_alarm").json(alarm).send().await.status, 200);
    cluster.faults().clear();
    let send = json!({ "to": ["b"], "count": 1, "tag": "first" });
    let _ = client.call(name, "send").json(send).send().await.done();
    wait::until("the message arrives", async || {
        state(&client, "b").await["received"]["gated"]["count"] != Value::Null
    })
    .await;
    let account = state(&client, "b").await["received"]["gated"].clone();
    assert_eq!((&account["count"], &account["tags"]), (&json!(1), &json!(["first"])));
    let gated = state(&client, "gated").await;
    assert_eq!(gated["rings"], json!({}), "{gated}");
}

#[tokio::test]
async fn alarms_ring_once_after_their_owner_has_died() {
    let cluster = cluster().await;
    let objects = objects_on(&cluster, 1, "alarm-", 8).await;
    for object in &objects {
        let set = json!({ "name": "x", "after_ms": 6_000 });
        let _ = cluster.client(0).call(object, "set_alarm").json(set).send().await.done();
    }
    cluster.node(1).kill9();
    for object in &objects {
        // This query does not activate the object.
        wait::until("the alarm fires on another node", async || {
            let path = format!("/v1/objects/{object}/owner");
            let owner = cluster.client(0).get(&path).send().await;
            owner.status == 200 && owner.json()["version"].as_u64() >= Some(2)
        })
        .await;
        let state = cluster.client(2).state(object).await.json();
        assert_eq!(
            (&state["rings"]["x"]["count"], &state["rings"]["x"]["too_early"]),
            (&json!(1), &json!(0))
        );
    }
    cluster.node(1).restart().await;
}
