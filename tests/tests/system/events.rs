//! Subscriptions to objects of one node: events, their order, and resumption by clients.

use std::time::Duration;

use highlander_tests::client::Client;
use highlander_tests::node::Node;
use highlander_tests::wait;
use highlander_tests::watching::{Seen, Watching, check_order};
use highlander_tests::wire::Wire;
use serde_json::{Value, json};

async fn publish(client: &Client, object: &str, data: &Value, count: u64) {
    let argument = json!({ "name": "told", "data": data, "count": count });
    let _ = client.call(object, "publish").json(argument).send().await.done();
}

fn short(events: &[Seen]) -> Vec<String> {
    events.iter().map(Seen::short).collect()
}

#[tokio::test]
async fn what_is_committed_is_told_in_order_and_nothing_else() {
    let node = Node::with_guests(&["interacting"]).await;
    let client = node.client();
    let mut watching = Watching::begin(&client, "interacting/a", None).await;
    publish(&client, "interacting/a", &json!({ "n": 1 }), 2).await;
    let failing = json!({ "effect": { "publish": { "name": "lost" } }, "failure": "reject" });
    let reply = client.call("interacting/a", "fail_after").json(failing).send().await;
    reply.problem("object-rejected");
    let _ = client.call("interacting/a", "refuse_messages").json(json!(true)).send().await.done();
    let events = watching.until(2).await;
    assert_eq!(short(&events), ["0 reset", "1.1 told", "1.2 told", "1 changed", "2 changed"]);
    assert_eq!(events[1].data, json!({ "n": 1 }));
    // The type publishes its state.
    assert_eq!(events[4].data["version"], 2);
    assert_eq!(events[4].data["state"]["refuses_messages"], true, "{:?}", events[4].data);
    let mut late = Watching::begin(&client, "interacting/a", None).await;
    assert_eq!(late.next().await.unwrap().data, events[4].data);
}

#[tokio::test]
async fn a_type_that_does_not_show_its_state_tells_the_version_alone() {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    client.increment("counter/a").await;
    let mut watching = Watching::begin(&client, "counter/a", None).await;
    client.increment("counter/a").await;
    let events = watching.until(2).await;
    assert_eq!(short(&events), ["1 reset", "2 changed"]);
    assert_eq!(
        [&events[0].data, &events[1].data],
        [&json!({ "version": 1 }), &json!({ "version": 2 })]
    );
}

#[tokio::test]
async fn who_comes_back_gets_what_is_kept_and_else_a_reset() {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    let _first = Watching::begin(&client, "counter/a", None).await;
    for _ in 0..300 {
        client.increment("counter/a").await;
    }
    let mut soon = Watching::begin(&client, "counter/a", Some("290")).await;
    let events = soon.until(300).await;
    assert_eq!((events.len(), check_order(&events)), (10, 0));
    wait::until("the oldest events are gone", async || {
        let version = client.increment("counter/a").await;
        let mut late = Watching::begin(&client, "counter/a", Some("1")).await;
        let first = late.next().await.unwrap();
        first.name == "reset" && first.place().0 == version
    })
    .await;
}

#[tokio::test]
async fn a_stream_goes_on_through_deactivation_and_another_revision() {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    let mut watching = Watching::begin(&client, "counter/a", None).await;
    client.increment("counter/a").await;
    client.deactivate("counter/a").await;
    client.increment("counter/a").await;
    client.deploy("counter-v2").await;
    client.increment("counter/a").await;
    let events = watching.until(3).await;
    assert_eq!(short(&events), ["0 reset", "1 changed", "2 changed", "3 changed"]);
}

#[tokio::test]
async fn an_object_that_is_watched_stays_in_memory() {
    let options = highlander_tests::node::Options::new().with("objects.idle_timeout", "1s");
    let node = Node::start_with(options, &["counter"]).await;
    let client = node.client();
    client.increment("counter/watched").await;
    client.increment("counter/other").await;
    let mut watching = Watching::begin(&client, "counter/watched", None).await;
    wait::until("the other is unloaded", async || client.tier("counter/other").await == "cold")
        .await;
    assert_ne!(client.tier("counter/watched").await, "cold");
    client.increment("counter/watched").await;
    assert_eq!(short(&watching.until(2).await), ["1 reset", "2 changed"]);
    drop(watching);
    wait::until("no subscriber is left", async || client.tier("counter/watched").await == "cold")
        .await;
}

#[tokio::test]
async fn who_does_not_read_is_sent_away_and_delays_nobody() {
    let node = Node::with_guests(&["interacting"]).await;
    let client = node.client();
    let mut slow = Wire::connect(node.url()).await;
    let head = "GET /v1/objects/interacting/a/events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert!(slow.write(head.as_bytes()).await);
    let mut quick = Watching::begin(&client, "interacting/a", None).await;
    let data = json!("x".repeat(4_000));
    let calls = async {
        for _ in 0..100 {
            publish(&client, "interacting/a", &data, 60).await;
        }
    };
    let (events, ()) = tokio::join!(quick.until(100), calls);
    assert_eq!((check_order(&events), events.len()), (0, 1 + 100 * 61));
    let rest = slow.read_to_end().await;
    assert!(rest.contains("event: closed\ndata: {"), "the reason is missing");
    assert!(rest.contains("\"reason\":\"too-slow\""), "the reason is missing");
    assert!(client.metric("highlander_slow_watchers_total").await >= 1.0);
}

#[tokio::test]
async fn a_node_that_stops_says_so() {
    let mut node = Node::with_guests(&["counter"]).await;
    let mut watching = Watching::begin(&node.client(), "counter/a", None).await;
    assert_eq!(watching.next().await.unwrap().short(), "0 reset");
    let status = node.terminate().await;
    assert!(status.success(), "{status}");
    let closed = watching.next().await.unwrap();
    assert_eq!(
        (closed.short().as_str(), &closed.data["reason"]),
        ("- closed", &json!("node-stopping"))
    );
    assert_eq!(watching.next().await, None);
}

#[tokio::test]
async fn the_command_prints_a_line_for_each_event() {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    client.increment("counter/a").await;
    let ended = node.cli(&["watch", "counter/a", "--count", "1"]).await.done();
    assert_eq!(ended.stdout, "1 reset {\"version\":1}\n");
    let watching = node.cli(&["--json", "watch", "counter/a", "--after", "1", "--count", "2"]);
    let changing = async {
        wait::until("the command watches", async || {
            client.metric("highlander_watchers").await > 0.0
        })
        .await;
        client.increment("counter/a").await;
        client.increment("counter/a").await;
    };
    let (ended, ()) = tokio::join!(watching, changing);
    let lines: Vec<Value> =
        ended.done().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let event = |version: u64| json!({ "id": version.to_string(), "event": "changed", "data": { "version": version } });
    assert_eq!(lines, [event(2), event(3)]);
    let refused = node.cli(&["watch", "nothing/a"]).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
    assert!(refused.stderr.contains("unknown-type"), "{}", refused.stderr);
    let refused = node.cli(&["watch", "counter/a", "--after", "soon"]).await;
    assert_eq!(refused.code, 2, "{}", refused.stderr);
}

#[tokio::test]
async fn the_command_comes_back_by_itself() {
    let mut node = Node::with_guests(&["counter"]).await;
    let url = node.url().to_owned();
    let watching = tokio::spawn(async move {
        let arguments = ["watch", "counter/a", "--count", "3"];
        highlander_tests::command::highlander().url(&url).run(&arguments).await.done()
    });
    let client = node.client();
    wait::until("the command watches", async || client.metric("highlander_watchers").await > 0.0)
        .await;
    client.increment("counter/a").await;
    node.restart_in_place().await;
    let client = node.client();
    wait::until("the command watches", async || client.metric("highlander_watchers").await > 0.0)
        .await;
    client.increment("counter/a").await;
    let ended = wait::within("three events", watching).await.unwrap();
    let lines: Vec<_> = ended.stdout.lines().map(|line| line.split(" {").next().unwrap()).collect();
    // Whether the subscriber had received the first change when the node died is a matter of timing.
    assert!(matches!(lines[..], ["0 reset", "1 changed" | "1 reset", "2 changed"]), "{lines:?}");
    assert!(ended.stderr.contains("reconnecting"), "{}", ended.stderr);
}

#[tokio::test]
async fn ten_clients_each_get_every_event() {
    let node = Node::with_guests(&["interacting"]).await;
    let client = node.client();
    let mut watchers = Vec::new();
    for _ in 0..10 {
        watchers.push(Watching::begin(&client, "interacting/a", None).await);
    }
    let calls = async {
        for n in 0..100_u64 {
            publish(&client, "interacting/a", &json!(n), 1).await;
        }
    };
    let reading = async {
        for watching in &mut watchers {
            let events = watching.until(100).await;
            assert_eq!((check_order(&events), events.len()), (0, 201));
            let told: Vec<_> = events.iter().filter(|seen| seen.name == "told").collect();
            assert!(told.iter().zip(0_u64..).all(|(seen, n)| seen.data == json!(n)));
        }
    };
    tokio::join!(calls, tokio::time::timeout(Duration::from_secs(120), reading)).1.unwrap();
}
