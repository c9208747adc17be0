//! Problem codes that a request to a single node can produce, each triggered separately.
//!
//! Codes that only a fault inside the engine produces are tested there.

use highlander_testing::memory::{GetFault, PutFault};
use serde_json::json;

use super::*;

async fn with_header(harness: &Harness, name: &str, value: &str) -> Answered {
    let request = harness.request(Method::POST, "/v1/objects/counter/a/increment");
    send(request.header(name, value)).await
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let harness = Harness::start().await;
    for (name, value) in [
        ("highlander-timeout", "5"),
        ("highlander-timeout", "6m"),
        ("highlander-consistency", "eventual"),
        ("idempotency-key", "two words"),
        ("idempotency-key", ""),
        ("if-match", "7"),
        ("if-none-match", "\"7\""),
    ] {
        let document =
            with_header(&harness, name, value).await.is_problem(ErrorCode::MalformedRequest);
        assert_eq!(document["object"], "counter/a");
    }
    assert_eq!(with_header(&harness, "highlander-consistency", "strict").await.status, 200);
    harness.post("/v1/objects/counter/a/add", "{").await.is_problem(ErrorCode::MalformedRequest);
    let request = harness.request(Method::POST, "/v1/objects/counter/a/add");
    let answer = send(request.header("content-type", "text/plain").body("1")).await;
    answer.is_problem(ErrorCode::MalformedRequest);
}

#[tokio::test]
async fn names_that_lead_nowhere_are_told_apart() {
    let harness = Harness::start().await;
    harness.get("/nowhere").await.is_problem(ErrorCode::UnknownRoute);
    harness.get("/problems/nothing").await.is_problem(ErrorCode::UnknownRoute);
    harness.get("/v1/objects/Counter/a").await.is_problem(ErrorCode::InvalidObjectId);
    harness.get("/v1/objects/counter/%FF").await.is_problem(ErrorCode::InvalidObjectId);
    harness.get("/v1/objects/nothing/a").await.is_problem(ErrorCode::UnknownType);
    harness.get("/v1/objects/nothing").await.is_problem(ErrorCode::UnknownType);
    harness.get("/v1/objects/nothing/a/owner").await.is_problem(ErrorCode::UnknownType);
    harness.get("/v1/types/nothing").await.is_problem(ErrorCode::UnknownType);
    harness.get("/v1/types/counter/rehearsal").await.is_problem(ErrorCode::RehearsalNotFound);
    harness.post("/v1/nodes/nothing/drain", "").await.is_problem(ErrorCode::NodeNotFound);
    harness.post("/v1/objects/counter/a/nothing", "").await.is_problem(ErrorCode::UnknownHandler);
    harness.post("/v1/objects/counter/a/get", "").await.is_problem(ErrorCode::UnknownHandler);
    let long = format!("/v1/objects/counter/a/{}", "h".repeat(64));
    harness.post(&long, "").await.is_problem(ErrorCode::UnknownHandler);
    let answer = send(harness.request(Method::PATCH, "/v1/objects/counter/a")).await;
    answer.is_problem(ErrorCode::MethodNotAllowed);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, PUT, DELETE"));
}

#[tokio::test]
async fn what_the_object_says_is_passed_on() {
    let harness = Harness::start().await;
    let path = |handler: &str| format!("/v1/objects/counter/a/{handler}");
    harness.post(&path("add"), "\"x\"").await.is_problem(ErrorCode::InvalidArgument);
    let document = harness.post(&path("reject"), "").await.is_problem(ErrorCode::ObjectRejected);
    assert_eq!(document["rejection"]["code"], "scripted");
    assert_eq!(document["rejection"]["message"], "the script says no");
    let answer = harness.post(&path("reject"), "").await;
    let detail = r#""detail":{"left": 18446744073709551616}"#;
    assert!(answer.body.contains(detail), "the detail is unchanged: {}", answer.body);
    harness.post(&path("trap"), "").await.is_problem(ErrorCode::ObjectTrapped);
    harness.post(&path("grow"), "2000").await.is_problem(ErrorCode::StateTooLarge);
    let state = harness.get("/v1/objects/counter/a").await;
    assert_eq!(state.header("highlander-version"), Some("0"));
}

#[tokio::test]
async fn a_key_that_was_used_for_another_call_is_refused() {
    let harness = Harness::start().await;
    let call = |argument: &'static str| {
        let request = harness.request(Method::POST, "/v1/objects/counter/a/add");
        send(request.header("idempotency-key", "k").body(argument))
    };
    assert_eq!(call("1").await.status, 200);
    call("2").await.is_problem(ErrorCode::IdempotencyKeyReused);
    call("\"1\"").await.is_problem(ErrorCode::IdempotencyKeyReused);
    for same in [" 1\n", "1.0", "10e-1"] {
        let answer = call(same).await;
        let is_replayed = answer.header("idempotency-replayed");
        assert_eq!((answer.body.as_str(), is_replayed), ("1", Some("true")), "{same}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_longer_kept_is_said_to_be() {
    let harness = Harness::start().await;
    let call = |key: String| {
        let request = harness.request(Method::POST, "/v1/objects/counter/a/increment");
        send(request.header("idempotency-key", key))
    };
    for n in 0..=highlander_core::limits::ANSWERED_REPLY_COUNT_MAX {
        assert_eq!(call(n.to_string()).await.status, 200);
    }
    call("0".to_owned()).await.is_problem(ErrorCode::AnswerExpired);
}

#[tokio::test]
async fn components_that_are_none_are_refused() {
    let harness = Harness::start().await;
    harness.post("/v1/types", "no component").await.is_problem(ErrorCode::ComponentRefused);
    harness.post("/v1/types", "").await.is_problem(ErrorCode::MalformedRequest);
    harness.post("/v1/types?force=perhaps", "x").await.is_problem(ErrorCode::MalformedRequest);
    let request = harness.request(Method::POST, "/v1/types").header("content-type", "text/html");
    send(request.body("scripted:counter")).await.is_problem(ErrorCode::MalformedRequest);
    harness.post("/v1/types", "scripted:counter@2").await;
    harness.post("/v1/types", "scripted:counter@1").await.is_problem(ErrorCode::ComponentRefused);
    assert_eq!(harness.post("/v1/types?force=true", "scripted:counter@1").await.status, 201);
}

#[tokio::test]
async fn a_state_of_a_newer_schema_is_opened_by_the_code_that_reads_it_alone() {
    let harness = Harness::start().await;
    harness.post("/v1/types", "scripted:counter@2").await;
    harness.post("/v1/objects/counter/a/increment", "").await;
    harness.post("/v1/types?force=true", "scripted:counter@1").await;
    let answer = harness.post("/v1/objects/counter/a/increment", "").await;
    assert_eq!((answer.status, answer.header("highlander-revision")), (200, Some("2")));
}

#[tokio::test]
async fn a_state_that_no_code_reads_is_not_opened() {
    let harness = Harness::without_types(|_| {}).await;
    harness.post("/v1/types", "scripted:counter unreadable:a").await;
    let answer = harness.post("/v1/objects/counter/a/increment", "").await;
    answer.is_problem(ErrorCode::StateUnreadable);
    assert_eq!(harness.post("/v1/objects/counter/b/increment", "").await.status, 200);
}

#[tokio::test]
async fn a_revision_that_fails_too_many_objects_is_taken_back_and_others_are_told() {
    let harness = Harness::start().await;
    for n in 0..5 {
        harness.post(&format!("/v1/objects/counter/bad-{n}/increment"), "").await;
    }
    let deploy = |parameters: &'static str, text: &'static str| {
        let request = harness.request(Method::POST, &format!("/v1/types{parameters}"));
        send(request.header("content-type", "application/wasm").body(text))
    };
    let bad = "scripted:counter unreadable:bad";
    deploy("", bad).await.is_problem(ErrorCode::RevisionRolledBack);
    let shown = harness.get("/v1/types/counter").await.json();
    assert_eq!(shown["current"], 1);
    assert!(shown["revisions"][1]["rolled_back"].as_str().unwrap().contains("5 of 5"), "{shown}");
    assert_eq!(deploy("?canary=10%25", "scripted:counter third").await.status, 201);
    deploy("", "scripted:counter fourth").await.is_problem(ErrorCode::DeploymentConflict);
    for wrong in ["?canary=0", "?canary=10%25&canary_key=a", "?max_failures=many", "?wait=maybe"] {
        deploy(wrong, "scripted:counter").await.is_problem(ErrorCode::MalformedRequest);
    }
    let back = harness.post("/v1/types/counter/rollback", "").await;
    assert_eq!((back.status, &back.json()["revision"]), (200, &serde_json::json!(1)));
    let unknown = harness.post("/v1/types/counter/rollback?to=77", "").await;
    unknown.is_problem(ErrorCode::RevisionNotFound);
    harness.post("/v1/types/nothing/rollback", "").await.is_problem(ErrorCode::UnknownType);
    let rollout = harness.get("/v1/types/counter/rollout").await.json();
    assert_eq!(rollout["nodes"].as_array().map(Vec::len), Some(1), "{rollout}");
}

#[tokio::test]
async fn an_object_that_traps_again_and_again_is_quarantined_until_it_is_resumed() {
    let harness = Harness::start().await;
    for _ in 0..100 {
        harness.post("/v1/objects/counter/a/trap", "").await.is_problem(ErrorCode::ObjectTrapped);
    }
    let answer = harness.post("/v1/objects/counter/a/value", "").await;
    answer.is_problem(ErrorCode::ObjectQuarantined);
    assert_eq!(answer.header("retry-after"), Some("10"));
    let resume = harness.request(Method::DELETE, "/v1/objects/counter/a/quarantine");
    assert_eq!(send(resume).await.json(), true);
    assert_eq!(harness.post("/v1/objects/counter/a/value", "").await.status, 200);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_named_with_its_effect() {
    let harness = Harness::start().await;
    // The node retries, but only a limited number of times.
    harness.store.script_gets([GetFault::Unavailable]);
    assert_eq!(harness.post("/v1/objects/counter/b/increment", "").await.status, 200);
    harness.store.script_gets((0..3).map(|_| GetFault::Unavailable));
    harness
        .post("/v1/objects/counter/a/increment", "")
        .await
        .is_problem(ErrorCode::StoreUnavailable);
    harness.post("/v1/objects/counter/a/increment", "").await;
    harness.store.set_down(true);
    let call = |time| {
        let request = harness.request(Method::POST, "/v1/objects/counter/a/increment");
        send(request.header("highlander-timeout", time))
    };
    call("100ms").await.is_problem(ErrorCode::OutcomeUnknown);
    harness.store.set_down(false);
    assert_eq!(harness.post("/v1/objects/counter/b/increment", "").await.status, 200);
}

#[tokio::test]
async fn a_write_that_is_denied_was_not_executed() {
    let harness = Harness::start().await;
    harness.store.script_puts((0..3).map(|_| PutFault::Denied));
    let answer = harness.post("/v1/objects/counter/a/increment", "").await;
    assert_eq!(answer.json()["effect"], "none", "{}", answer.body);
}

#[tokio::test]
async fn a_damaged_record_is_not_served() {
    let harness = Harness::start().await;
    harness.store.plant("objects/counter/a.json", "{}".into());
    harness.get("/v1/objects/counter/a").await.is_problem(ErrorCode::RecordDamaged);
    harness.get("/v1/objects/counter/a/owner").await.is_problem(ErrorCode::RecordDamaged);
}

#[tokio::test]
async fn calls_that_come_too_late_or_too_many_are_not_begun() {
    let harness = Harness::start().await;
    let busy = harness.request(Method::POST, "/v1/objects/counter/a/sleep").body("1000");
    let busy = tokio::spawn(send(busy));
    while harness.get("/v1/objects/counter?active=true").await.json()["keys"] != json!(["a"]) {
        tokio::task::yield_now().await;
    }
    let late = harness.request(Method::POST, "/v1/objects/counter/a/increment");
    let late = send(late.header("highlander-timeout", "20ms")).await;
    late.is_problem(ErrorCode::DeadlineExceeded);
    let crowd: Vec<_> = (0..100)
        .map(|_| {
            tokio::spawn(send(harness.request(Method::POST, "/v1/objects/counter/a/increment")))
        })
        .collect();
    let mut full_count = 0;
    for call in crowd {
        let answer = call.await.unwrap();
        if answer.status != 200 {
            answer.is_problem(ErrorCode::MailboxFull);
            assert_eq!(answer.header("retry-after"), Some("1"));
            full_count += 1;
        }
    }
    assert!(full_count > 0);
    busy.await.unwrap();
}

#[tokio::test]
async fn a_draining_node_is_not_ready_and_begins_nothing() {
    let harness = Harness::start().await;
    harness.node.drain(Duration::from_secs(1)).await;
    harness.get("/readyz").await.is_problem(ErrorCode::Draining);
    harness.post("/v1/objects/counter/a/increment", "").await.is_problem(ErrorCode::Draining);
    assert_eq!(harness.get("/healthz").await.status, 200);
    assert_eq!(harness.get("/v1/nodes").await.json()["nodes"][0]["status"], "draining");
}
