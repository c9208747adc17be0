//! Listings of many objects through any node: all objects with a record, and all active objects.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt as _};
use highlander_services::fault_proxy::Mode;
use highlander_tests::client::Client;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::command::highlander;
use highlander_tests::iterations::iterations;
use highlander_tests::wait;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Number of concurrent calls while objects are created.
const AT_ONCE: usize = 64;
/// Characters that stay unencoded in the record names by which keys are ordered.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Key prefixes with characters that are special in paths, queries or file names, or in none of them.
const AWKWARD: [&str; 10] =
    ["a/b ", "%2F", "?x=1&y=", "ä ö", "\u{1f980}", "..", "+", "\"'\\", "key.json", "-"];

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// Returns a key; every tenth one has an awkward prefix.
fn key(number: usize) -> String {
    match number % 10 {
        9 => format!("{}{number:06}", AWKWARD[number / 10 % AWKWARD.len()]),
        _ => format!("bulk-{number:06}"),
    }
}

/// Sorts keys as listings do: by the encoded names of the records.
fn in_order(mut keys: Vec<String>) -> Vec<String> {
    keys.sort_by_key(|key| format!("{}.json", encoded(key)));
    keys
}

async fn make(cluster: &Cluster, keys: &[String]) {
    let http = Client::new("");
    let clients: Vec<_> = cluster.nodes().iter().map(|node| http.at(&node.url())).collect();
    let calls = keys.iter().enumerate().map(|(number, key)| {
        let object = format!("counter/{}", encoded(key));
        let call = clients[number % clients.len()].object(Method::PUT, &object);
        call.json(json!({ "value": number })).send()
    });
    let mut calls = stream::iter(calls).buffer_unordered(AT_ONCE);
    while let Some(reply) = calls.next().await {
        let _ = reply.done();
    }
}

/// Returns one page.
async fn page(client: &Client, query: &str, after: Option<&str>) -> Value {
    let after = after.map(|after| format!("&after={}", encoded(after))).unwrap_or_default();
    client.get(&format!("/v1/objects/counter?{query}{after}")).send().await.done().json()
}

/// Returns the keys of all pages, and the nodes that did not answer.
async fn pages(client: &Client, query: &str) -> (Vec<String>, Vec<String>) {
    let texts = |value: &Value| -> Vec<String> {
        let values = value.as_array().map(Vec::as_slice).unwrap_or_default();
        values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    let (mut keys, mut unanswered) = (Vec::new(), Vec::new());
    let mut after: Option<String> = None;
    loop {
        let page = page(client, query, after.as_deref()).await;
        keys.extend(texts(&page["keys"]));
        unanswered.extend(texts(&page["unanswered"]));
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            unanswered.dedup();
            return (keys, unanswered);
        }
    }
}

#[tokio::test]
async fn many_objects_are_listed_by_page_and_prefix_through_any_node() {
    let count = usize::try_from(iterations(5_000, 100_000)).unwrap();
    // More objects than nodes may claim one by one.
    let options = ClusterOptions::new().guests(&["counter"]).partitions(512);
    let cluster = Cluster::start(options.with("objects.idle_timeout", "6h")).await;
    let keys = in_order((0..count).map(key).collect());
    let begun = Instant::now();
    make(&cluster, &keys).await;
    eprintln!("{count} objects made in {:?}", begun.elapsed());

    for node in 0..3 {
        let client = cluster.client(node);
        for query in ["limit=1000", "active=true&limit=1000"] {
            let begun = Instant::now();
            let (listed, unanswered) = pages(&client, query).await;
            eprintln!(
                "{query}: {} listed through node {node} in {:?}",
                listed.len(),
                begun.elapsed()
            );
            assert!(listed == keys, "{query}: {} of {count} keys, or out of order", listed.len());
            assert!(unanswered.is_empty(), "{unanswered:?}");
        }
    }
    check_prefixes(&cluster, &keys).await;
    check_own(&cluster, &keys).await;
    check_silence(&cluster, &keys).await;
}

async fn check_prefixes(cluster: &Cluster, keys: &[String]) {
    let prefixes = AWKWARD.iter().copied().chain(["bulk-0001", "bulk-000123", "a", "\u{1f981}"]);
    for (number, prefix) in prefixes.enumerate() {
        let wanted: Vec<_> = keys.iter().filter(|key| key.starts_with(prefix)).cloned().collect();
        for active in ["", "&active=true"] {
            let query = format!("limit=7&prefix={}{active}", encoded(prefix));
            let (listed, _) = pages(&cluster.client(number % 3), &query).await;
            assert_eq!(listed, wanted, "{prefix:?}{active}");
        }
    }
}

/// Each object is active on exactly one node, which reports it.
async fn check_own(cluster: &Cluster, keys: &[String]) {
    let mut all = Vec::new();
    for node in 0..3 {
        let path = "/v1/objects/counter?active=true&limit=1000";
        let own = cluster.client(node).get(path).header("highlander-hops", "1").send().await;
        let own = own.done().json();
        let own = own["keys"].as_array().unwrap().clone();
        assert!(!own.is_empty(), "node {node} has no active objects");
        all.extend(own);
    }
    let count = all.len();
    all.sort_unstable_by_key(ToString::to_string);
    all.dedup();
    assert_eq!(all.len(), count, "an object is active twice");
    let known: BTreeSet<_> = keys.iter().map(String::as_str).collect();
    assert!(all.iter().all(|key| known.contains(key.as_str().unwrap())));
}

/// An unreachable node is named until its session has expired and its objects are no longer active.
async fn check_silence(cluster: &Cluster, keys: &[String]) {
    let prefix = "bulk-0000";
    let some: Vec<_> = keys.iter().filter(|key| key.starts_with(prefix)).cloned().collect();
    let query = format!("active=true&limit=1000&prefix={prefix}");
    let (asked, cut) = (cluster.client(0), cluster.node(2));
    cut.links().front.set(Mode::Cut);
    let (listed, unanswered) = pages(&asked, &query).await;
    assert!(!listed.is_empty() && listed.len() < some.len(), "{} listed", listed.len());
    assert!(unanswered.len() == 1 && cut.is_called(&unanswered[0]), "{unanswered:?}");
    let (all, unanswered) = pages(&cluster.client(2), &query).await;
    assert_eq!(
        (all, unanswered),
        (some, Vec::new()),
        "the list must contain the objects of all reachable nodes"
    );

    let list = ["list", "counter", "--active", "--prefix", prefix];
    let ended = highlander().url(asked.url()).run(&list).await;
    let printed: Vec<_> = ended.stdout.lines().map(str::to_owned).collect();
    assert_eq!((printed, ended.code), (listed.clone(), 3), "{}", ended.stderr);
    assert!(ended.stderr.contains("these nodes did not respond: n2-"), "{}", ended.stderr);

    cut.kill9();
    wait::until("the session has expired", async || pages(&asked, &query).await.1.is_empty()).await;
    let (left, _) = pages(&asked, &query).await;
    assert_eq!(left, listed);
    let ended = highlander().url(asked.url()).run(&list).await.done();
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), listed);
}
