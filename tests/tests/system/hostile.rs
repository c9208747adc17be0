//! Hostile objects: each is stopped within its budget, without effect on others (guarantees S8, S10, L3).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use highlander_tests::client::Client;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::node::{Node, Options};
use highlander_tests::{artifacts, wait};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Bound for harmful calls while the neighbour waits. An update of the neighbour takes as long as several calls
/// that trap at once.
const HARMFUL_CALLS_MAX: u32 = 1_000;

async fn node() -> (Node, Client) {
    let options = Options::new()
        .with("sandbox.cpu_max", "500ms")
        .with("sandbox.memory_max", "32MiB")
        .with("objects.quarantine_after", &(HARMFUL_CALLS_MAX + 1).to_string());
    let node = Node::start_with(options, &["misbehaving", "counter"]).await;
    let client = node.client();
    (node, client)
}

/// Makes the harmful call at least three times, and on until the neighbour has been answered beside it. Checks the
/// object and the neighbour.
async fn check_harmless(handler: &str, argument: Value, code: &str) {
    let (_node, client) = node().await;
    assert_eq!(client.increment("misbehaving/a").await, 1);
    let before = client.state("misbehaving/a").await;
    let neighbour = Neighbour::begin(&client).await;
    let mut harmful_calls = 0;
    while harmful_calls < 3 || neighbour.answered() < 2 {
        let harm = client.call("misbehaving/a", handler).json(argument.clone()).send();
        let reply = wait::within(handler, harm).await;
        reply.problem(code);
        let after = client.state("misbehaving/a").await;
        assert_eq!(after.content(), before.content(), "{handler} changed the state");
        harmful_calls += 1;
        assert!(harmful_calls < HARMFUL_CALLS_MAX, "the other object is not answered");
    }
    assert_eq!(client.increment("misbehaving/a").await, 2);
    neighbour.end().await;
}

/// An object of another type that is called continuously.
struct Neighbour {
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    calling: tokio::task::JoinHandle<()>,
    answered_before: u64,
}

impl Neighbour {
    async fn begin(client: &Client) -> Self {
        let (is_over, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (client, over, count) = (client.clone(), Arc::clone(&is_over), Arc::clone(&answered));
        let calling = tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let number = client.increment("counter/neighbour").await;
                assert_eq!(number, count.fetch_add(1, Ordering::Relaxed) + 1);
            }
        });
        wait::until("the other object answers", async || answered.load(Ordering::Relaxed) > 0)
            .await;
        let answered_before = answered.load(Ordering::Relaxed);
        Self { is_over, answered, calling, answered_before }
    }

    /// Returns the number of answers since the harmful calls began.
    fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed) - self.answered_before
    }

    async fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.calling.await.unwrap();
    }
}

#[tokio::test]
async fn an_endless_update_is_stopped() {
    check_harmless("spin", Value::Null, "cpu-exceeded").await;
}

#[tokio::test]
async fn an_endless_query_is_stopped() {
    check_harmless("spin_query", Value::Null, "cpu-exceeded").await;
}

#[tokio::test]
async fn endless_copying_is_stopped() {
    check_harmless("copy_in_a_loop", Value::Null, "cpu-exceeded").await;
}

#[tokio::test]
async fn memory_has_a_limit() {
    check_harmless("eat_memory", Value::Null, "memory-exceeded").await;
}

#[tokio::test]
async fn the_stack_has_a_limit() {
    check_harmless("eat_stack", Value::Null, "stack-exceeded").await;
}

#[tokio::test]
async fn a_trap_ends_the_call_alone() {
    check_harmless("trap", Value::Null, "object-trapped").await;
}

#[tokio::test]
async fn a_trap_undoes_what_the_call_changed() {
    check_harmless("trap_after_change", Value::Null, "object-trapped").await;
}

/// The message of a panic may contain anything, and is meant for the operator. A developer is both operator and
/// author.
#[tokio::test]
async fn the_message_of_a_panic_is_in_the_log_and_reaches_callers_of_a_developers_node_alone() {
    let (node, client) = node().await;
    let reply = client.call("misbehaving/a", "trap").send().await;
    reply.problem("object-trapped");
    assert!(reply.text().contains("told to trap"), "{}", reply.text());
    is_logged("told to trap", || node.log()).await;

    let options = ClusterOptions { nodes: 1, ..ClusterOptions::new() };
    let cluster = Cluster::start(options.guests(&["misbehaving"])).await;
    let reply = cluster.client(0).call("misbehaving/a", "trap").send().await;
    reply.problem("object-trapped");
    assert!(!reply.text().contains("told to trap"), "{}", reply.text());
    is_logged("told to trap", || cluster.node(0).log()).await;
}

async fn is_logged(text: &str, log: impl Fn() -> Vec<String>) {
    wait::until("the text is in the log", async || log().iter().any(|line| line.contains(text)))
        .await;
}

#[tokio::test]
async fn a_rejection_undoes_what_the_call_changed() {
    check_harmless("reject_after_change", Value::Null, "object-rejected").await;
}

#[tokio::test]
async fn a_reply_has_a_limit() {
    check_harmless("big_reply", json!(3 << 19), "contract-broken").await;
}

#[tokio::test]
async fn a_state_has_a_limit() {
    check_harmless("grow_state", json!(3 << 19), "state-too-large").await;
}

/// Data far above every limit is not even copied.
#[tokio::test]
async fn what_passes_to_the_host_has_a_limit() {
    check_harmless("big_reply", json!(4 << 20), "host-calls-exceeded").await;
    check_harmless("grow_state", json!(4 << 20), "state-too-large").await;
}

/// `malformed-replies` violates the WIT world at the step that its object's key names.
#[tokio::test]
async fn a_component_that_breaks_the_contract_breaks_its_own_objects_alone() {
    let node = Node::start_with(Options::new(), &["malformed-replies"]).await;
    let client = node.client();
    for (key, code) in [
        ("garbage-reply", "contract-broken"),
        ("unknown-handler", "unknown-handler"),
        ("trap-in-snapshot", "object-trapped"),
        ("spin-in-snapshot", "cpu-exceeded"),
        ("eat-in-snapshot", "memory-exceeded"),
        ("trap-in-call", "object-trapped"),
        ("spin-in-call", "cpu-exceeded"),
        ("eat-in-call", "memory-exceeded"),
        ("garbage-snapshot", "contract-broken"),
        ("trap-in-restore", "state-unreadable"),
        ("spin-in-restore", "state-unreadable"),
        ("eat-in-restore", "state-unreadable"),
        ("refuse-restore", "state-unreadable"),
        ("newer-schema", "state-unreadable"),
    ] {
        let object = format!("malformed-replies/{key}");
        for _ in 0..2 {
            client.call(&object, "count").send().await.problem(code);
        }
        let owner = client.get(&format!("/v1/objects/{object}/owner")).send().await.done().json();
        assert_eq!((&owner["version"], &owner["exists"]), (&json!(0), &json!(false)), "{key}");
    }
    for number in 1..=2 {
        assert_eq!(
            client.call("malformed-replies/honest", "count").send().await.done().json(),
            number
        );
    }
}

/// 10 MiB of lines: the log takes 64 KiB of them, and the call succeeds or fails for passing too much data.
#[tokio::test]
async fn the_log_cannot_be_flooded() {
    let (node, client) = node().await;
    assert_eq!(client.increment("misbehaving/a").await, 1);
    let lines_before = node.log().len();
    let reply = client.call("misbehaving/a", "spam_log").send().await;
    if reply.status != 200 {
        reply.problem("host-calls-exceeded");
    }
    let _ = client.call("misbehaving/a", "log_long_line").json(json!(1 << 20)).send().await;
    assert_eq!(client.increment("misbehaving/a").await, 2);
    let log = node.log();
    assert!(log.len() - lines_before < 100, "{} lines", log.len() - lines_before);
    assert!(log.iter().all(|line| line.len() < 10 << 10), "a line is longer than 10 KiB");
}

/// 500 objects log as much as they may.
#[tokio::test]
async fn many_objects_cannot_flood_the_log_and_other_types_are_heard() {
    let node = Node::with_guests(&["misbehaving"]).await;
    let client = node.client();
    // The same component as another type, whose name has the same length.
    let name = b"misbehaving";
    let mut other = artifacts::guest_bytes("misbehaving");
    while let Some(place) = other.windows(name.len()).position(|bytes| bytes == name) {
        other[place..place + name.len()].copy_from_slice(b"wellbehaved");
    }
    assert_eq!(client.upload(other).await.status, 201);
    let bytes = |log: &[String]| log.iter().map(String::len).sum::<usize>();
    let before = bytes(&node.log());
    let began = Instant::now();
    for round in 0..5 {
        let calls = (0..100).map(|key| {
            let object = format!("misbehaving/{}", round * 100 + key);
            let call = client.call(&object, "spam_log");
            async move { call.send().await }
        });
        let _ = futures_util::future::join_all(calls).await;
    }
    is_logged("dropped log lines of objects", || node.log()).await;
    // The type's burst and rate, and what the lines of the host and the name of each line add.
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 2;
    let grown = bytes(&node.log()) - before;
    assert!(grown < (1 << 20) + seconds * (256 << 10), "{grown} bytes in {seconds} s");
    let metric = "highlander_object_log_lines_dropped_total{quota=\"type\"}";
    assert!(client.metric(metric).await > 0.5);
    let _ = client.call("wellbehaved/a", "log_long_line").json(json!(100)).send().await.done();
    is_logged("wellbehaved/a", || node.log()).await;
}

#[tokio::test]
async fn memory_that_is_kept_counts_against_the_limit() {
    let (_node, client) = node().await;
    let keep = async |bytes: usize| {
        client.call("misbehaving/a", "keep_memory").json(json!(bytes)).send().await
    };
    // Little enough for the instance to be kept.
    let _ = keep(6 << 20).await.done();
    keep(26 << 20).await.problem("memory-exceeded");
    // The instance is gone, and so is its memory.
    let _ = keep(26 << 20).await.done();
}

#[tokio::test]
async fn what_a_query_changes_is_never_stored() {
    let (_node, client) = node().await;
    assert_eq!(client.increment("misbehaving/a").await, 1);
    for _ in 0..3 {
        let _ = client.call("misbehaving/a", "change_in_query").send().await.done();
    }
    assert_eq!(client.state("misbehaving/a").await.version(), 1);
}

#[tokio::test]
async fn a_call_knows_whose_it_is() {
    let (_node, client) = node().await;
    let context = client.call("misbehaving/a%2Fb", "context").send().await.done().json();
    assert_eq!((&context["key"], &context["type"]), (&json!("a/b"), &json!("misbehaving")));
    assert!(context["now_ms"].as_u64().unwrap() > 1_500_000_000_000, "{context}");
}
