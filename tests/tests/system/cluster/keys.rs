//! Idempotency keys under faults of the object and its callers (guarantees S6, S7).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use highlander_s3_server::faults::{Fault, Operation, Rule};
use highlander_tests::client::Client;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::cluster::shared::Shared;
use highlander_tests::iterations::iterations;
use highlander_tests::reply::Reply;
use highlander_tests::{seed, wait};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

static SHARED: Shared = Shared::new();

fn options() -> ClusterOptions {
    ClusterOptions::new().guests(&["counter"])
}

async fn cluster() -> Arc<Cluster> {
    // A held write must not time out while a test observes it.
    SHARED.get(|| options().with("store.request_timeout", "30s")).await
}

async fn increment(client: &Client, object: &str, key: &str) -> Reply {
    client.call(object, "increment").key(key).send().await
}

/// Checks that every node returns the first response.
async fn check_repeats(cluster: &Cluster, object: &str, key: &str, first: &Reply) {
    for node in cluster.nodes().iter().filter(|node| node.is_running()) {
        let repeat = increment(&Client::new(&node.url()), object, key).await.done();
        assert!(repeat.is_replayed(), "{repeat:?}");
        assert_eq!(repeat.content(), first.content());
        assert_eq!(repeat.epoch(), first.epoch(), "the epoch must be that of the version");
    }
}

#[tokio::test]
async fn an_answer_moves_with_its_object() {
    let cluster = Cluster::start(options()).await;
    let object = "counter/moves";
    let first = increment(&cluster.client(0), object, "k").await.done();
    assert!(!first.is_replayed());
    cluster.client(1).deactivate(object).await;
    check_repeats(&cluster, object, "k", &first).await;

    let owner = cluster.owner_of(object).await;
    let drain = format!("/v1/nodes/n{owner}/drain");
    let drained = cluster.client((owner + 1) % 3).request(Method::POST, &drain).send().await.done();
    assert_eq!(drained.json()["active_objects"], 0);
    let next = cluster.owner_of(object).await;
    assert_ne!(next, owner);
    check_repeats(&cluster, object, "k", &first).await;

    // The next owner commits too, so that the newest version has another epoch.
    let second = increment(&cluster.client(owner), object, "second").await.done();
    assert!(second.epoch() > first.epoch());
    cluster.node(next).kill9();
    wait::until("another node answers", async || {
        let call = cluster.client(owner).call(object, "increment").key("k");
        call.header("highlander-timeout", "1s").send().await.status == 200
    })
    .await;
    check_repeats(&cluster, object, "k", &first).await;
    check_repeats(&cluster, object, "second", &second).await;
    assert_eq!(cluster.client(owner).value(object).await, 2);
}

#[tokio::test]
async fn repeats_at_the_same_time_through_all_nodes_are_one_change() {
    let cluster = cluster().await;
    let object = "counter/at-once";
    for round in 0..iterations(5, 100) {
        let key = format!("k-{round}");
        let clients: Vec<_> = (0..30).map(|n| cluster.client(n % 3)).collect();
        let replies = join_all(clients.iter().map(|client| increment(client, object, &key))).await;
        let replies: Vec<_> = replies.into_iter().map(Reply::done).collect();
        assert!(replies.iter().all(|reply| reply.version() == round + 1));
        assert!(replies.iter().all(|reply| reply.json() == round + 1));
        assert_eq!(replies.iter().filter(|reply| !reply.is_replayed()).count(), 1);
        // The first call of the next round activates the object.
        cluster.client(0).deactivate(object).await;
    }
}

#[tokio::test]
async fn the_key_of_another_call_is_refused_wherever_the_object_is() {
    let cluster = cluster().await;
    let object = "counter/reused";
    let add =
        |node: usize, by: u64| cluster.client(node).call(object, "add").key("k").json(json!(by));
    let first = add(0, 5).send().await.done();
    for node in 0..3 {
        add(node, 6).send().await.problem("idempotency-key-reused");
        increment(&cluster.client(node), object, "k").await.problem("idempotency-key-reused");
        let delete = cluster.client(node).object(Method::DELETE, object).key("k");
        delete.send().await.problem("idempotency-key-reused");
        assert_eq!(add(node, 5).send().await.done().content(), first.content());
        cluster.client(node).deactivate(object).await;
    }
    assert_eq!(cluster.client(0).value(object).await, 5);
}

/// The caller's deadline expires while the store has received the write, but not applied or rejected it.
#[tokio::test]
async fn an_unknown_outcome_is_told_by_its_key() {
    let cluster = cluster().await;
    for (name, fault) in [
        ("held", Fault::Hold),
        ("lost-request", Fault::LoseRequest),
        ("lost-answer", Fault::LoseAnswer),
    ] {
        let object = format!("counter/unknown-{name}");
        let other = (cluster.owner_of(&object).await + 1) % 3;
        let is_held = fault == Fault::Hold;
        // The owner resends lost writes; a second rule holds them until the caller has its response.
        let put =
            |fault| Rule::new(fault).on(Operation::Put).key_with(&format!("/unknown-{name}."));
        cluster.faults().add(put(fault).times(1));
        if !is_held {
            cluster.faults().add(put(Fault::Hold));
        }
        let call = cluster.client(other).call(&object, "increment").key("k");
        let call = call.header("highlander-timeout", "500ms");
        let faults = cluster.faults();
        let (unknown, ()) = tokio::join!(call.send(), faults.wait_for_held(1));
        unknown.problem("outcome-unknown");
        let still = cluster.client(other).call(&object, "increment").key("k");
        let still = still.header("highlander-timeout", "300ms").send().await;
        still.problem("outcome-unknown");
        cluster.faults().clear();
        for node in 0..3 {
            let told = increment(&cluster.client(node), &object, "k").await.done();
            assert_eq!((told.json(), told.version(), told.is_replayed()), (json!(1), 1, true));
        }
        assert_eq!(cluster.client(other).value(&object).await, 1);
    }
}

/// Returns the number of interrupted calls from this node to others.
async fn interrupted(client: &Client) -> u64 {
    let metrics = client.get("/metrics").send().await.done().text();
    let name = r#"highlander_forwards_total{outcome="interrupted"} "#;
    let count = metrics.lines().find_map(|line| line.strip_prefix(name));
    count.map_or(0, |count| count.parse().expect("a number"))
}

/// The connection breaks before the owner's response reaches the forwarding node, which calls again.
#[tokio::test]
async fn a_call_that_a_node_sends_a_second_time_takes_effect_once() {
    let cluster = Cluster::start(options().with("store.request_timeout", "30s")).await;
    for round in 0..iterations(3, 50) {
        let object = format!("counter/cut-{round}");
        let owner = cluster.owner_of(&object).await;
        let asked = cluster.client((owner + 1) % 3);
        let held = Rule::new(Fault::Hold).on(Operation::Put).key_with(&format!("/cut-{round}."));
        cluster.faults().add(held);
        let before = interrupted(&asked).await;
        let cut = async {
            cluster.faults().wait_for_held(1).await;
            // The call has run, and its write is undecided.
            cluster.node(owner).links().front.reset();
            wait::until("the call is cut off", async || interrupted(&asked).await > before).await;
            cluster.faults().clear();
        };
        let (reply, ()) = tokio::join!(increment(&asked, &object, "k"), cut);
        let reply = reply.done();
        assert_eq!((reply.json(), reply.version()), (json!(1), 1));
        check_repeats(&cluster, &object, "k", &reply).await;
        // Without a key, no node may repeat the call.
        let held = Rule::new(Fault::Hold).on(Operation::Put).key_with(&format!("/cut-{round}."));
        cluster.faults().add(held);
        let cut = async {
            cluster.faults().wait_for_held(1).await;
            cluster.node(owner).links().front.reset();
        };
        let (reply, ()) = tokio::join!(asked.call(&object, "increment").send(), cut);
        reply.problem("outcome-unknown");
        cluster.faults().clear();
        assert_eq!(asked.value(&object).await, 2, "the call must have been executed anyway");
    }
}

/// Responses to one caller of the next test: its keys, and the versions that its calls made.
type Told = Vec<(String, u64)>;

/// Makes calls to an object under separate keys and repeats each until it succeeds, while nodes restart.
async fn insist(cluster: Arc<Cluster>, object: String, mut random: StdRng, calls: u64) -> Told {
    let http = Client::new("");
    let mut told = Vec::new();
    for call in 0..calls {
        let key = format!("{:x}-{call}", random.random::<u64>());
        let version = loop {
            let node = cluster.node(random.random_range(0..3));
            let client = http.at(&node.url());
            let call = client.call(&object, "increment").key(&key);
            let limit = Duration::from_millis(random.random_range(50..2_000));
            // Some callers disconnect, and repeat their call while it is in progress.
            match call.timeout(limit).try_send().await {
                Ok(reply) if reply.status == 200 => break reply.version(),
                Ok(reply) => assert!(reply.status >= 500, "{}", reply.text()),
                Err(_) => {}
            }
            sleep(Duration::from_millis(20)).await;
        };
        told.push((key, version));
    }
    told
}

#[tokio::test]
async fn every_key_takes_effect_once_while_nodes_are_killed() {
    let test = "every_key_takes_effect_once_while_nodes_are_killed";
    let mut random = seed::random_numbers(test);
    let cluster = Arc::new(Cluster::start(options()).await);
    // The responses of 128 calls per object are cached, and the end of the test requests all of them.
    let (callers, calls) = (4, 30);
    for round in 0..iterations(1, 20) {
        let objects: Vec<_> = (0..4).map(|n| format!("counter/kills-{round}-{n}")).collect();
        let insisting = objects.iter().flat_map(|object| vec![object; callers]).map(|object| {
            let random = StdRng::seed_from_u64(random.random());
            tokio::spawn(insist(Arc::clone(&cluster), object.clone(), random, calls))
        });
        let insisting: Vec<_> = insisting.collect();
        let mut victims = StdRng::seed_from_u64(random.random());
        let killing = async {
            while !insisting.iter().all(tokio::task::JoinHandle::is_finished) {
                let victim = cluster.node(victims.random_range(0..3));
                victim.kill9();
                sleep(Duration::from_millis(victims.random_range(100..3_000))).await;
                victim.restart().await;
            }
        };
        let killing = tokio::time::timeout(Duration::from_mins(5), killing);
        killing.await.expect("the calls must end in time");
        let told = join_all(insisting).await.into_iter().map(Result::unwrap);
        let told: Vec<_> = told.collect();
        cluster.is_whole().await;
        let all = callers as u64 * calls;
        for (object, told) in objects.iter().zip(told.chunks(callers)) {
            assert_eq!(cluster.client(0).value(object).await, all, "{object}");
            let mut versions: Vec<_> = told.iter().flatten().map(|(_, version)| *version).collect();
            versions.sort_unstable();
            assert_eq!(
                versions,
                (1..=all).collect::<Vec<_>>(),
                "{object}: each call must make its own version"
            );
            for (key, version) in told.iter().flatten() {
                let repeat = increment(&cluster.client(1), object, key).await.done();
                assert_eq!((repeat.version(), repeat.is_replayed()), (*version, true), "{object}");
            }
        }
    }
}
