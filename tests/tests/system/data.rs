//! Fidelity of values in transit: numbers of any size, bytes, states that are not JSON, the details of rejections.

use highlander_tests::node::{Node, Options};
use serde_json::{Value, json};

const LARGE: &str = "340282366920938463463374607431768211454";

async fn node(guests: &[&str]) -> Node {
    let options = Options::new().with("sandbox.compile_time_max", "2m");
    Node::start_with(options, guests).await
}

#[tokio::test]
async fn integers_of_128_bits_are_exact_over_http_the_command_line_and_between_objects() {
    let node = node(&["album"]).await;
    let client = node.client();
    let appraise = |key: &str, worth: &str| {
        client.call(&format!("album/{key}"), "appraise").body(worth.to_owned()).send()
    };
    assert_eq!(appraise("a", LARGE).await.done().text(), "0");
    assert_eq!(appraise("b", "1.0").await.done().text(), "0");
    let merged = client.call("album/b", "merge").json(json!("a")).send().await.done();
    assert_eq!(merged.text(), u128::MAX.to_string());
    let printed = node.cli(&["call", "album/a", "worth"]).await.done().stdout;
    assert_eq!(printed.trim(), LARGE);
}

#[tokio::test]
async fn a_reply_that_the_caller_cannot_hold_is_told_as_done() {
    let node = node(&["album"]).await;
    let client = node.client();
    let _ = client.call("album/a", "appraise").body(LARGE).send().await.done();
    let problem = client.call("album/b", "guess").json(json!("a")).send().await;
    let problem = problem.problem("object-rejected");
    assert_eq!(problem["rejection"]["code"], "reply-unreadable", "{problem}");
}

#[tokio::test]
async fn values_without_a_type_come_back_as_they_were_or_are_refused() {
    let node = node(&["album"]).await;
    let client = node.client();
    let tell = |news: &str| client.call("album/a", "tell").body(news.to_owned()).send();
    for exact in ["0.1", "18446744073709551615", "-0.0"] {
        assert_eq!(tell(exact).await.done().text(), exact);
    }
    for lossy in [LARGE, "0.12345678901234567890123", r#"{"a":1,"a":2}"#] {
        tell(lossy).await.problem("invalid-argument");
    }
}

#[tokio::test]
async fn a_state_that_is_not_json_survives_a_crash_and_is_shown_as_json() {
    let mut node = node(&["album"]).await;
    let picture = json!({ "name": "cat", "picture": "AAEC/w==" });
    let added = node.client().call("album/a", "add").json(picture).send().await.done();
    assert_eq!(added.json(), "AAEC/w==");
    node.kill9();
    node.restart().await;
    let state = node.client().state("album/a").await.json();
    assert_eq!(state, json!({ "pictures": { "cat": "AAEC/w==" }, "worth": 0 }));
    let shown = node.client().get("/v1/types/album").send().await.done().json();
    assert_eq!(shown["description"]["state_content_type"], "application/x-postcard", "{shown}");
    for bad in [json!("AAEC/w"), json!([0, 1])] {
        let picture = json!({ "name": "dog", "picture": bad });
        let answer = node.client().call("album/a", "add").json(picture).send().await;
        answer.problem("invalid-argument");
    }
}

#[tokio::test]
async fn the_detail_of_a_rejection_reaches_every_caller() {
    let node = node(&["limiter", "interacting"]).await;
    let client = node.client();
    let take = async || client.call("limiter/a", "take").send().await.done().json();
    for left in (0..5).rev() {
        assert_eq!(take().await, json!({ "granted": { "left": left } }));
    }
    assert!(take().await["denied"]["retry_after_ms"].is_u64());
    let problem = client.call("limiter/a", "check").send().await.problem("object-rejected");
    assert_eq!(problem["rejection"]["code"], "rate-limited");
    let is_wait =
        |detail: &Value| (1..=60_000).contains(&detail["retry_after_ms"].as_u64().unwrap());
    assert!(is_wait(&problem["rejection"]["detail"]), "{problem}");
    let denied = client.call("limiter/a", "denied").send().await.done().json();
    assert_eq!(denied, 1, "the rejection must not change the state");
    let call = json!({ "type": "limiter", "key": "a", "handler": "check" });
    let told = client.call("interacting/b", "call").json(call).send().await.done().json();
    assert!(is_wait(&told["error"]["detail"]), "{told}");
    let (said, _) = node.cli(&["call", "limiter/a", "check"]).await.error(1);
    assert!(said.contains(r#"(rate-limited {"retry_after_ms":"#), "{said}");
}
