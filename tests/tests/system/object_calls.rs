//! Objects that call each other, send messages and set alarms, on one node (guarantees S5, S8, O3).

use std::time::Duration;

use highlander_tests::client::Client;
use highlander_tests::node::{Node, Options};
use highlander_tests::reply::Reply;
use highlander_tests::wait;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Allows for slow compilation while many tests deploy at the same moment.
fn options() -> Options {
    Options::new().with("sandbox.compile_time_max", "2m")
}

async fn node() -> Node {
    Node::start_with(options(), &["interacting"]).await
}

/// Starts a node on which an object can be kept busy for some time.
async fn with_misbehaving() -> Node {
    let options = options().with("sandbox.cpu_max", "2s");
    Node::start_with(options, &["interacting", "misbehaving"]).await
}

async fn state(client: &Client, key: &str) -> Value {
    client.state(&format!("interacting/{key}")).await.json()
}

async fn make(client: &Client, from: &str, handler: &str, argument: Value) -> Value {
    let call = client.call(&format!("interacting/{from}"), handler).json(argument);
    call.send().await.done().json()
}

/// Returns the error that `from` receives for a failed call.
async fn failure(client: &Client, from: &str, call: Value) -> Value {
    let answer = make(client, from, "call", call).await;
    answer["error"].clone()
}

#[tokio::test]
async fn a_handler_calls_other_objects_and_uses_their_replies() {
    let node = node().await;
    let client = node.client();
    let keys = make(&client, "a", "chain", json!({ "path": ["b", "c", "d"] })).await;
    assert_eq!(keys, json!(["d", "c", "b", "a"]));
    for key in ["a", "b", "c", "d"] {
        assert_eq!(state(&client, key).await["chains"], 1, "{key}");
    }
    let asked = json!({ "type": "interacting", "key": "a", "handler": "get" });
    let asked = make(&client, "z", "ask", asked).await;
    assert_eq!(asked["ok"]["chains"], 1, "a query can call other objects: {asked}");
}

#[tokio::test]
async fn objects_that_would_wait_for_each_other_are_told_so_at_once() {
    let node = node().await;
    let client = node.client();
    let began = Instant::now();
    for path in [json!(["b", "a"]), json!(["b", "c", "b"]), json!(["a"])] {
        let call = client.call("interacting/a", "chain").json(json!({ "path": path }));
        let problem = call.send().await.problem("object-rejected");
        assert_eq!(problem["rejection"]["code"], "call-cycle", "{problem}");
        let text = problem["rejection"]["message"].as_str().unwrap();
        assert!(text.contains("interacting/a -> interacting/"), "{text}");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "a call waited for its deadline");
    for key in ["a", "b", "c"] {
        assert_eq!(state(&client, key).await["chains"], 0, "{key} must be unchanged");
    }
}

#[tokio::test]
async fn a_chain_of_objects_is_bounded() {
    let node = node().await;
    let path = |length: usize| (0..length).map(|n| n.to_string()).collect::<Vec<_>>();
    let keys = make(&node.client(), "first", "chain", json!({ "path": path(15) })).await;
    assert_eq!(keys.as_array().map(Vec::len), Some(16));
    let call = node.client().call("interacting/first", "chain").json(json!({ "path": path(16) }));
    let problem = call.send().await.problem("object-rejected");
    assert_eq!(problem["rejection"]["code"], "call-too-deep", "{problem}");
}

#[tokio::test]
async fn a_handler_is_told_why_a_call_has_no_reply() {
    let node = with_misbehaving().await;
    let client = node.client();
    let called = |type_name: &str, key: &str, handler: &str| -> Value {
        json!({ "type": type_name, "key": key, "handler": handler })
    };
    let refused = failure(&client, "a", called("interacting", "b", "ring")).await;
    assert_eq!((&refused["kind"], &refused["code"]), (&json!("refused"), &json!("no-alarm")));
    for absent in [called("nobody", "b", "get"), called("interacting", "b", "nothing")] {
        assert_eq!(failure(&client, "a", absent).await["kind"], "not-found");
    }
    let unfit = json!({ "type": "interacting", "key": "b", "handler": "chain", "argument": 1 });
    assert_eq!(failure(&client, "a", unfit).await["kind"], "invalid-argument");
    let malformed = called("interacting", "", "get");
    assert_eq!(failure(&client, "a", malformed).await["kind"], "invalid-argument");
    let failed = failure(&client, "a", called("misbehaving", "b", "trap")).await;
    assert_eq!(failed["kind"], "failed", "{failed}");
    let busy = client.keep_busy("misbehaving/busy").await;
    let mut late = called("misbehaving", "busy", "value");
    late["timeout_ms"] = json!(50);
    let late = failure(&client, "a", late).await;
    assert_eq!(late["kind"], "timed-out", "{late}");
    let _ = busy.await;
}

#[tokio::test]
async fn the_caller_of_a_chain_may_wait_no_longer_than_its_caller() {
    // The called object stays busy until the test ends.
    let options = options().with("sandbox.cpu_max", "10s");
    let node = Node::start_with(options, &["interacting", "misbehaving"]).await;
    let client = node.client();
    // The first call of an object may need more time than the one below has.
    let _ = state(&client, "a").await;
    let busy = client.keep_busy("misbehaving/busy").await;
    let call = json!({ "type": "misbehaving", "key": "busy", "handler": "value" });
    let call = client.call("interacting/a", "call").json(call).header("highlander-timeout", "3s");
    // The handler still has time to report it.
    assert_eq!(call.send().await.done().json()["error"]["kind"], "timed-out");
    assert!(!busy.is_finished(), "the caller waited until the called object was free");
}

/// Chains that repeatedly meet in opposite directions: none waits for its deadline, which would return another
/// error. Two begin at either end at once, so that on any machine a second one meets a chain in the opposite
/// direction.
#[tokio::test]
async fn chains_that_meet_do_not_wait_for_each_other_for_ever() {
    let node = node().await;
    let client = node.client();
    let began = Instant::now();
    let (mut done, mut refused) = (0, 0);
    let chain = |from: &str, path: &[&str]| {
        client.call(&format!("interacting/{from}"), "chain").json(json!({ "path": path })).send()
    };
    for _ in 0..100 {
        let one = || chain("a", &["c", "d", "e", "f", "b"]);
        let other = || chain("b", &["g", "h", "i", "j", "a"]);
        let answers = tokio::join!(one(), other(), one(), other());
        for answer in <[Reply; 4]>::from(answers) {
            if answer.status == 200 {
                done += 1;
            } else {
                let problem = answer.problem("object-rejected");
                let rejection = &problem["rejection"];
                assert_eq!(rejection["code"], "call-conflict", "{problem}");
                let message = rejection["message"].as_str().unwrap();
                let named: String = message.split("interacting/").skip(2).collect();
                let circles =
                    ["a -> c -> d -> e -> f -> b -> a", "b -> g -> h -> i -> j -> a -> b"];
                assert!(circles.contains(&&*named), "{message}");
                refused += 1;
            }
        }
    }
    println!("{done} done, {refused} rejected in {:?}", began.elapsed());
    assert!(refused > 0, "no chains met");
    assert!(
        done >= 200,
        "one of two chains that meet must continue: {done} done, {refused} rejected"
    );
    let (a, b) = (state(&client, "a").await, state(&client, "b").await);
    assert_eq!((&a["chains"], &b["chains"]), (&json!(done), &json!(done)));
}

#[tokio::test]
async fn a_key_of_the_first_call_is_one_for_all_that_follow() {
    let node = node().await;
    let client = node.client();
    let call = || {
        let call = client.call("interacting/a", "chain").json(json!({ "path": ["b", "c"] }));
        call.key("once").send()
    };
    let first = call().await.done();
    assert_eq!(call().await.done().body, first.body);
    // The same calls from an object that has not made the first one.
    let inner = json!({
        "type": "interacting", "key": "b", "handler": "chain", "argument": { "path": ["c"] },
        "idempotency_key": "inner",
    });
    for _ in 0..3 {
        let answer = make(&client, "z", "ask", inner.clone()).await;
        assert_eq!(answer["ok"], json!(["c", "b"]), "{answer}");
    }
    assert_eq!(state(&client, "b").await["chains"], 2);
    assert_eq!(state(&client, "c").await["chains"], 2);
}

#[tokio::test]
async fn messages_arrive_in_order_and_once_across_a_crash() {
    let mut node = node().await;
    let send = json!({ "to": ["b", "c"], "count": 50, "tag": "t" });
    for _ in 0..4 {
        let _ = make(&node.client(), "a", "send", send.clone()).await;
    }
    node.restart().await;
    let client = node.client();
    // No client calls the sender: a wake-up activates it to deliver its messages.
    for key in ["b", "c"] {
        wait::until("all messages are delivered", async || {
            state(&client, key).await["received"]["a"]["count"] == 200
        })
        .await;
        let account = state(&client, key).await["received"]["a"].clone();
        for bad in ["out_of_order", "not_rising", "not_from_sender"] {
            assert_eq!(account[bad], 0, "{bad} in {account}");
        }
    }
    let left = client.get("/v1/objects/interacting/a/messages").send().await.done().json();
    assert_eq!(left["pending"], json!([]), "{left}");
}

#[tokio::test]
async fn a_message_that_is_refused_is_kept_and_can_be_sent_anew() {
    let node = node().await;
    let client = node.client();
    let _ = make(&client, "b", "refuse_messages", json!(true)).await;
    let send = |to: &str, count| json!({ "to": [to], "count": count, "tag": "t" });
    let _ = make(&client, "a", "send", send("b", 2)).await;
    let messages =
        async || client.get("/v1/objects/interacting/a/messages").send().await.done().json();
    wait::until("both messages were given up", async || {
        messages().await["dead"].as_array().map(Vec::len) == Some(2)
    })
    .await;
    let dead = messages().await["dead"].clone();
    assert_eq!((&dead[0]["to"], &dead[0]["handler"]), (&json!("interacting/b"), &json!("take")));
    assert!(dead[0]["why"].as_str().unwrap().contains("takes no messages"), "{dead}");
    let shown = node.cli(&["messages", "interacting/a"]).await.done().stdout;
    assert_eq!(shown.matches("dead letter").count(), 2, "{shown}");
    let number = dead[0]["number"].to_string();
    let _ = node.cli(&["messages", "interacting/a", "--drop", &number]).await.done();
    let _ = make(&client, "b", "refuse_messages", json!(false)).await;
    let _ = node.cli(&["messages", "interacting/a", "--retry", "all"]).await.done();
    wait::until("the other one arrives", async || {
        state(&client, "b").await["received"]["a"]["count"] == 1
    })
    .await;
    wait::until("nothing is left", async || {
        let left = messages().await;
        left["dead"] == json!([]) && left["pending"] == json!([])
    })
    .await;
}

#[tokio::test]
async fn an_object_with_too_many_messages_is_not_changed() {
    let node = node().await;
    let client = node.client();
    let _ = make(&client, "b", "refuse_messages", json!(true)).await;
    let send = json!({ "to": ["b"], "count": 200, "tag": "t" });
    let mut sent = 0;
    let full = loop {
        let answer = client.call("interacting/a", "send").json(send.clone()).send().await;
        if answer.status != 200 {
            break answer;
        }
        sent += 200;
        assert!(sent <= 1_200, "the outbox has no limit");
    };
    let problem = full.problem("outbox-full");
    assert_eq!((&problem["effect"], &problem["retryable"]), (&json!("none"), &json!(true)));
    assert_eq!(state(&client, "a").await["sent"]["b"], sent);
}

#[tokio::test]
async fn what_a_rejected_call_asked_for_never_happens() {
    let node = node().await;
    let client = node.client();
    for failure in ["reject", "trap"] {
        for effect in [
            json!({ "send": { "to": "b" } }),
            json!({ "set_alarm": { "name": "x", "after_ms": 1 } }),
            json!({ "publish": { "name": "news" } }),
        ] {
            let argument = json!({ "effect": effect, "failure": failure });
            let answer = client.call("interacting/a", "fail_after").json(argument).send().await;
            assert_ne!(answer.status, 200, "{}", answer.text());
        }
    }
    // Messages are ordered: the arrival of a later one shows that none of these was sent.
    let send = json!({ "to": ["b"], "count": 1, "tag": "last" });
    let _ = make(&client, "a", "send", send).await;
    wait::until("the last one arrives", async || {
        state(&client, "b").await["received"]["a"]["count"] == 1
    })
    .await;
    let left = client.get("/v1/objects/interacting/a/messages").send().await.done().json();
    assert_eq!(left["alarms"], json!([]), "{left}");
    assert_eq!(state(&client, "a").await["rings"], json!({}));
}

#[tokio::test]
async fn alarms_ring_when_they_are_due_and_not_after_they_were_cancelled() {
    let node = node().await;
    let client = node.client();
    let set =
        |name: &str, after_ms: u64| json!({ "name": name, "after_ms": after_ms, "argument": name });
    let _ = make(&client, "a", "set_alarm", set("soon", 300)).await;
    let _ = make(&client, "a", "set_alarm", set("never", 400)).await;
    let repeating = json!({ "name": "often", "after_ms": 100, "every_ms": 1_000 });
    let _ = make(&client, "a", "set_alarm", repeating).await;
    assert_eq!(make(&client, "a", "cancel_alarm", json!("never")).await, true);
    let shown = node.cli(&["alarms", "interacting/a"]).await.done().stdout;
    assert!(shown.contains("soon") && shown.contains("1000ms"), "{shown}");
    wait::until("both alarms fire", async || {
        let rings = state(&client, "a").await["rings"].clone();
        rings["soon"]["count"] == 1 && rings["often"]["count"].as_u64() >= Some(3)
    })
    .await;
    let rings = state(&client, "a").await["rings"].clone();
    assert_eq!(rings["never"], Value::Null);
    for name in ["soon", "often"] {
        for bad in ["too_early", "repeated", "not_from_itself"] {
            assert_eq!(rings[name][bad], 0, "{bad} in {rings}");
        }
    }
    assert_eq!(rings["soon"]["argument"], "soon");
}

#[tokio::test]
async fn an_alarm_for_a_handler_that_the_type_lacks_is_refused_when_it_is_set() {
    let node = node().await;
    let client = node.client();
    for (handler, why) in [("nothing", "has no handler"), ("get", "is a query")] {
        let set = json!({ "name": "x", "after_ms": 1, "handler": handler });
        let call = client.call("interacting/a", "set_alarm").json(set);
        let problem = call.send().await.problem("object-rejected");
        assert_eq!(problem["rejection"]["code"], "effect-invalid", "{problem}");
        let message = problem["rejection"]["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    }
    let shown = client.get("/v1/objects/interacting/a/messages").send().await.done().json();
    assert_eq!(shown["alarms"], json!([]));
}

#[tokio::test]
async fn an_alarm_rings_although_the_node_was_down_and_nobody_calls() {
    let mut node = node().await;
    let set = json!({ "name": "later", "after_ms": 1_000 });
    let _ = make(&node.client(), "a", "set_alarm", set).await;
    let often = json!({ "name": "often", "after_ms": 1_000, "every_ms": 1_000 });
    let _ = make(&node.client(), "a", "set_alarm", often).await;
    let before = node.client().get("/v1/objects/interacting/a/owner").send().await.done().json();
    node.kill9();
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    node.restart().await;
    let client = node.client();
    // This query does not activate the object.
    wait::until("the object was woken and has changed", async || {
        let now = client.get("/v1/objects/interacting/a/owner").send().await.done().json();
        now["version"].as_u64() > before["version"].as_u64().map(|version| version + 1)
    })
    .await;
    let rings = state(&client, "a").await["rings"].clone();
    assert_eq!(rings["later"]["count"], 1, "{rings}");
    // The rings missed during the outage were merged into one.
    assert_eq!(rings["often"]["repeated"], 0, "{rings}");
}

#[tokio::test]
async fn an_alarm_whose_handler_refuses_rings_again() {
    let node = node().await;
    let client = node.client();
    let _ = make(&client, "a", "refuse_alarms", json!(true)).await;
    let _ = make(&client, "a", "set_alarm", json!({ "name": "x", "after_ms": 1 })).await;
    let tries = async || {
        let shown = client.get("/v1/objects/interacting/a/messages").send().await.done().json();
        shown["alarms"][0]["tries"].as_u64()
    };
    wait::until("the alarm was rejected", async || tries().await >= Some(1)).await;
    let _ = make(&client, "a", "refuse_alarms", json!(false)).await;
    wait::until("the alarm fires", async || state(&client, "a").await["rings"]["x"]["count"] == 1)
        .await;
    assert_eq!(tries().await, None, "the alarm is not set any more");
}

#[tokio::test]
async fn objects_with_alarms_become_files_again_and_are_woken() {
    let options = options().with("objects.idle_timeout", "1s");
    let node = Node::start_with(options, &["interacting"]).await;
    let client = node.client();
    let set = json!({ "name": "later", "after_ms": 4_000 });
    let _ = make(&client, "a", "set_alarm", set).await;
    wait::until("the object is unloaded", async || client.tier("interacting/a").await == "cold")
        .await;
    wait::until("the alarm fires", async || client.metric("highlander_alarms_total").await >= 1.0)
        .await;
    assert_eq!(state(&client, "a").await["rings"]["later"]["count"], 1);
}
