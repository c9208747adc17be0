//! Limits of the calls and messages of objects: those of the revision that runs the object count.

use serde_json::json;

use super::*;

/// Starts a node with the type `counter`, and with principals whose tokens equal their names.
async fn closed() -> Harness {
    Harness::with_principals([
        ("narrow", "deploy:evil"),
        ("wide", "deploy:evil,call:counter"),
        ("root", "call:*,deploy:*,admin"),
    ])
    .await
}

impl Harness {
    async fn as_one(&self, token: &str, method: Method, path: &str, body: &str) -> Answered {
        send(self.request(method, path).body(body.to_owned()).bearer_auth(token)).await
    }

    /// Deploys the type `evil`, and returns its revision.
    async fn evil(&self, token: &str, parameters: &str) -> Value {
        let path = format!("/v1/types{parameters}");
        let deployed = self.as_one(token, Method::POST, &path, "scripted:evil").await;
        assert!(matches!(deployed.status, 200 | 201), "{}", deployed.body);
        deployed.json()["revision"].clone()
    }

    /// Makes an object of `evil` call another object, and returns the result as text.
    async fn reach(&self, key: &str, to: &str) -> String {
        let path = format!("/v1/objects/evil/{key}/call");
        let call = json!([to, "x", "increment"]).to_string();
        self.as_one("root", Method::POST, &path, &call).await.body
    }
}

fn is_refused(result: &str) -> bool {
    result.contains("Rejected(Rejection { code: \\\"call-not-permitted\\\"")
}

#[tokio::test]
async fn a_canary_has_its_own_limit_and_a_roll_back_returns_to_the_former_one() {
    let harness = closed().await;
    assert_eq!(harness.evil("narrow", "").await, 1);
    assert!(is_refused(&harness.reach("a", "counter").await));
    assert!(harness.reach("a", "evil").await.contains("ok"), "the own type");
    assert_eq!(harness.evil("wide", "?canary_key=a").await, 2);
    assert_eq!(harness.reach("a", "counter").await, r#"{"ok":1}"#);
    assert!(is_refused(&harness.reach("b", "counter").await), "it does not take part");
    assert_eq!(harness.evil("narrow", "").await, 2, "a release does not change the limit");
    assert_eq!(harness.reach("b", "counter").await, r#"{"ok":2}"#);
    assert_eq!(harness.evil("narrow", "").await, 3, "it is a deployment, with its own limit");
    assert!(is_refused(&harness.reach("a", "counter").await));
    let path = "/v1/types/evil/rollback?to=2";
    let back = harness.as_one("narrow", Method::POST, path, "").await;
    assert_eq!(back.status, 200, "{}", back.body);
    assert_eq!(harness.reach("a", "counter").await, r#"{"ok":3}"#);
    let counter = harness.as_one("root", Method::POST, "/v1/objects/counter/x/value", "").await;
    assert_eq!(counter.json(), 3, "no refused call was executed");
}

/// The scripted engine does not check messages when they are sent.
#[tokio::test]
async fn a_message_is_checked_again_before_it_is_delivered() {
    let harness = closed().await;
    harness.evil("narrow", "").await;
    for (to, count) in [("counter", 1), ("evil", 1)] {
        let argument = json!([to, "x", count]).to_string();
        let sent = harness.as_one("root", Method::POST, "/v1/objects/evil/a/send", &argument).await;
        assert_eq!(sent.status, 200, "{}", sent.body);
    }
    let dead = async || {
        let shown = harness.as_one("root", Method::GET, "/v1/objects/evil/a/messages", "").await;
        let shown = shown.json();
        (shown["pending"].as_array().unwrap().is_empty()).then(|| shown["dead"].clone())
    };
    let dead = loop {
        if let Some(dead) = dead().await {
            break dead;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(dead.as_array().unwrap().len(), 1, "{dead}");
    assert_eq!(dead[0]["to"], "counter/x", "{dead}");
    let why = dead[0]["why"].as_str().unwrap();
    assert!(why.contains("objects of evil may not call or message counter"), "{why}");
    let value = async |object: &str| {
        let path = format!("/v1/objects/{object}/value");
        harness.as_one("root", Method::POST, &path, "").await.json()
    };
    assert_eq!((value("counter/x").await, value("evil/x").await), (json!(0), json!(1)));
}
