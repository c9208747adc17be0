//! Quotas of a type: calls past one are refused and change nothing, and messages and alarms follow later.

use highlander_tests::node::{Node, Options};
use highlander_tests::wait;
use serde_json::json;

#[tokio::test]
async fn calls_past_the_quota_of_their_type_change_nothing_and_harm_no_other_type() {
    let options = Options::new().with("types.counter.calls_per_second", "5");
    let node = Node::start_with(options, &["counter", "todo"]).await;
    let client = node.client();
    let calls = (0..50).map(|_| client.call("counter/a", "increment").send());
    let replies = futures_util::future::join_all(calls).await;
    let mut done = 0;
    for reply in replies {
        if reply.status == 200 {
            done += 1;
            continue;
        }
        assert!(!reply.header("retry-after").is_empty());
        let problem = reply.problem("type-quota");
        assert_eq!((&problem["effect"], &problem["status"]), (&json!("none"), &json!(429)));
    }
    assert!((5..50).contains(&done), "{done} calls passed");
    for _ in 0..20 {
        let _ = client.get("/v1/objects/todo/a").send().await;
    }
    let mut value = None;
    wait::until("a call has credit", async || {
        let reply = client.call("counter/a", "value").send().await;
        value = (reply.status == 200).then(|| reply.json().as_u64());
        value.is_some()
    })
    .await;
    assert_eq!(value, Some(Some(done)));
}

#[tokio::test]
async fn messages_past_the_quota_of_their_type_arrive_later_and_in_order() {
    let options = Options::new().with("types.interacting.messages_per_second", "5");
    let node = Node::start_with(options, &["interacting"]).await;
    let client = node.client();
    let messages = json!({ "to": ["b"], "count": 12, "tag": "t" });
    let _ = client.call("interacting/a", "send").json(messages).send().await.done();
    wait::until("all messages have arrived", async || {
        client.state("interacting/b").await.json()["received"]["a"]["count"] == 12
    })
    .await;
    let account = client.state("interacting/b").await.json()["received"]["a"].clone();
    assert_eq!((&account["out_of_order"], &account["not_rising"]), (&json!(0), &json!(0)));
    assert!(
        client.metric("highlander_deliveries_total{outcome=\"not-yet\"}").await >= 1.0,
        "no message was past the quota"
    );
}
