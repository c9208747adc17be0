//! Shares of processor time: many calls of one type leave the others alone, and what they hold is free afterwards.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use highlander_tests::client::Client;
use highlander_tests::node::{Node, Options};
use highlander_tests::reply::Reply;
use highlander_tests::wait;
use tokio::task::JoinHandle;

const LOOPING: usize = 200;
const CALLERS: u64 = 1_000;

/// Calls a handler that loops, on many keys, and waits until more of the calls run than there are guest threads.
async fn loop_on_many_keys(client: &Client) -> Vec<JoinHandle<Reply>> {
    let calls = (0..LOOPING).map(|number| {
        let call = client.call(&format!("misbehaving/{number}"), "spin");
        tokio::spawn(async move { call.send().await })
    });
    let calls = calls.collect();
    wait::until("calls wait for a guest thread", async || waiting(client).await > 0.0).await;
    calls
}

async fn waiting(client: &Client) -> f64 {
    client.metric("highlander_lane_waiting").await
}

/// Waits for the end of the calls that loop, and checks that nothing is left of them.
async fn end(client: &Client, looping: Vec<JoinHandle<Reply>>) {
    for reply in wait::within("all calls end", join_all(looping)).await {
        let reply = reply.unwrap();
        if reply.status == 500 {
            reply.problem("cpu-exceeded")
        } else {
            reply.problem("deadline-exceeded")
        };
    }
    wait::until("the lane is empty", async || waiting(client).await == 0.0).await;
    let done = client.increment("counter/afterwards").await;
    assert_eq!(done, 1);
}

#[tokio::test]
async fn a_newcomer_is_answered_beside_many_calls_that_loop() {
    let options = Options::new().with("sandbox.cpu_max", "10s");
    let node = Node::start_with(options, &["misbehaving", "counter"]).await;
    let client = node.client();
    let looping = loop_on_many_keys(&client).await;
    for number in 1..=20 {
        assert_eq!(client.increment("counter/newcomer").await, number);
        assert_eq!(client.value("counter/newcomer").await, number);
        assert_eq!(client.increment(&format!("counter/{number}")).await, 1);
    }
    let in_lane = client.metric("highlander_guest_seconds_total{place=\"lane\"}").await;
    assert!(in_lane > 0.0);
    end(&client, looping).await;
}

#[tokio::test]
async fn a_burst_of_updates_of_one_object_has_no_failure_beside_many_calls_that_loop() {
    // A mailbox for all calls: how many of them a smaller one refuses depends on the machine.
    let options = Options::new().with("objects.mailbox_len", "1024");
    let node = Node::start_with(options, &["misbehaving", "counter"]).await;
    let client = node.client();
    assert_eq!(client.increment("counter/warm").await, 1);
    let looping = loop_on_many_keys(&client).await;
    let calls = (0..CALLERS).map(|_| client.increment("counter/hot"));
    let numbers: BTreeSet<_> = join_all(calls).await.into_iter().collect();
    assert_eq!(numbers, (1..=CALLERS).collect());
    end(&client, looping).await;
}

/// A handler that is short at first runs in its caller's task, and one that then loops does so only once.
#[tokio::test]
async fn a_handler_that_begins_to_loop_moves_to_the_lane() {
    let node = Node::with_guests(&["misbehaving", "counter"]).await;
    let client = node.client();
    for number in 1..=50 {
        assert_eq!(client.increment("misbehaving/a").await, number);
    }
    let inline = client.metric("highlander_guest_seconds_total{place=\"inline\"}").await;
    assert!(inline > 0.0, "a short handler runs in its caller's task");
    client.call("misbehaving/a", "spin").send().await.problem("cpu-exceeded");
    assert_eq!(client.increment("misbehaving/a").await, 51);
    wait::until("the lane is empty", async || waiting(&client).await == 0.0).await;
}
