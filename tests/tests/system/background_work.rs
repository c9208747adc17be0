//! Background work of one type: it delays neither the alarms and messages of others nor the calls of clients.

use highlander_tests::client::Client;
use highlander_tests::node::{Node, Options};
use highlander_tests::wait;
use serde_json::{Value, json};

async fn node() -> Node {
    Node::start_with(Options::new(), &["greedy", "interacting", "counter"]).await
}

async fn state(client: &Client, key: &str) -> Value {
    client.state(&format!("interacting/{key}")).await.json()
}

/// Sends a message and sets an alarm due at once, and waits for both.
async fn expect_alarm_and_message(client: &Client, key: &str) {
    let alarm = json!({ "name": "tick", "after_ms": 0 });
    let setting = client.call(&format!("interacting/{key}"), "set_alarm").json(alarm);
    let _ = setting.send().await.done();
    let to = format!("{key}-receiver");
    let message = json!({ "to": [to], "count": 1, "tag": "t" });
    let _ = client.call(&format!("interacting/{key}"), "send").json(message).send().await.done();
    wait::until("the alarm fires", async || {
        state(client, key).await["rings"]["tick"]["count"] == 1
    })
    .await;
    wait::until("the message arrives", async || {
        state(client, &to).await["received"][key]["count"] == 1
    })
    .await;
}

/// As many objects as a node wakes at once.
#[tokio::test]
async fn alarms_for_the_past_delay_no_alarm_of_another_type() {
    let mut node = node().await;
    let client = node.client();
    for number in 0..64 {
        let call = client.call(&format!("greedy/{number}"), "ring_at_once");
        let _ = call.send().await.done();
    }
    wait::until("an alarm has set another one", async || {
        client.call("greedy/0", "count").send().await.done().json().as_u64() >= Some(3)
    })
    .await;
    expect_alarm_and_message(&client, "a").await;
    node.restart().await;
    let client = node.client();
    expect_alarm_and_message(&client, "b").await;
    assert_eq!(client.increment("counter/a").await, 1);
}

#[tokio::test]
async fn a_message_storm_delays_no_message_of_another_type_and_fails_no_call() {
    let node = node().await;
    let client = node.client();
    let _ = client.call("greedy/0", "spread").json(json!(0)).send().await.done();
    wait::until("the storm has reached many objects", async || {
        client.metric("highlander_active_objects").await >= 100.0
    })
    .await;
    expect_alarm_and_message(&client, "a").await;
    for number in 1..=100 {
        assert_eq!(client.increment("counter/a").await, number);
    }
    // The objects of the storm answer clients, too: messages do not fill their mailboxes.
    for number in 0..20 {
        let call = client.call(&format!("greedy/{number}"), "count");
        assert!(call.send().await.done().json().as_u64().is_some());
    }
}
