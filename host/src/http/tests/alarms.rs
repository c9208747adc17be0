//! Failed alarms: listing, retrying and dropping them over HTTP. The machine's tests cover how alarms fail; these
//! start from a record that contains failed ones.

use std::sync::Arc;

use highlander_core::effects::Alarm;
use highlander_core::id::{Digest, NodeId, ObjectId};
use highlander_core::store::record::effects::{DurableEffects, FailedAlarm};
use highlander_core::store::record::{JSON, RecentWrites, Record, State, Write, WriteId, codec};
use serde_json::json;

use super::*;

/// Returns the record of `counter/a` with failed alarms of these names.
fn record(names: &[&str]) -> bytes::Bytes {
    let failed = |(number, name): (u64, &&str)| {
        let alarm = Alarm::new(name, 1_000, None, "increment", "null");
        let alarm = Alarm { tries: 8, failure: Some("it said no".into()), ..alarm };
        FailedAlarm { number, alarm, time_ms: 9_000 }
    };
    let failed: Vec<_> = (1..).zip(names).map(failed).collect();
    let failures = failed.len() as u64;
    let bytes = bytes::Bytes::from_static(b"{\"value\":5}");
    codec::encode(&Record {
        id: ObjectId::new("counter", "a").unwrap(),
        version: 1,
        epoch: 1,
        owner: NodeId::new("node-before"),
        recent: RecentWrites::new(vec![Write { version: 1, id: WriteId([1; 16]) }]),
        revision: 1,
        component: Digest::of(b"scripted:counter"),
        time_ms: 0,
        answered: [].into(),
        faults: 0,
        effects: Some(Arc::new(DurableEffects { failed, failures, ..DurableEffects::default() })),
        state: Some(State { content_type: JSON.into(), schema_version: 1, bytes }),
    })
}

async fn with_failed(names: &[&str]) -> Harness {
    let harness = Harness::start().await;
    harness.store.plant("objects/counter/a.json", record(names));
    harness
}

async fn shown(harness: &Harness) -> Value {
    harness.get("/v1/objects/counter/a/messages").await.json()
}

async fn numbers(harness: &Harness) -> Vec<u64> {
    let shown = shown(harness).await;
    let failed = shown["failed_alarms"].as_array().unwrap().iter();
    failed.map(|alarm| alarm["number"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn failed_alarms_are_listed_with_the_reason() {
    let harness = with_failed(&["tea"]).await;
    let expected = json!([{
        "number": 1, "name": "tea", "due_ms": 1_000, "every_ms": null, "handler": "increment",
        "argument": null, "tries": 8, "why": "it said no", "time_ms": 9_000,
    }]);
    let shown = shown(&harness).await;
    assert_eq!((&shown["failed_alarms"], &shown["alarms"]), (&expected, &json!([])));
}

#[tokio::test]
async fn failed_alarms_are_dropped_one_by_one_or_all() {
    let harness = with_failed(&["a", "b", "c"]).await;
    let path = "/v1/objects/counter/a/alarms";
    for (query, count) in [("?number=7", 0), ("?number=2", 1), ("?number=2", 0)] {
        let answer = send(harness.request(Method::DELETE, &format!("{path}{query}"))).await;
        assert_eq!(answer.json(), count, "{query}");
    }
    assert_eq!(numbers(&harness).await, [1, 3]);
    for bad in ["?number=x", "?numer=1", "?number=1&number=2"] {
        let answer = send(harness.request(Method::DELETE, &format!("{path}{bad}"))).await;
        answer.is_problem(ErrorCode::MalformedRequest);
    }
    assert_eq!(send(harness.request(Method::DELETE, path)).await.json(), 2);
    assert_eq!(numbers(&harness).await, [0_u64; 0]);
}

#[tokio::test]
async fn a_failed_alarm_that_is_set_anew_is_given() {
    let harness = with_failed(&["tea", "tea"]).await;
    // Both alarms have the same name, so one of them stays failed.
    let answer = harness.post("/v1/objects/counter/a/alarms/retry", "").await;
    assert_eq!(answer.json(), 1);
    assert_eq!(numbers(&harness).await, [2]);
    while harness.post("/v1/objects/counter/a/value", "").await.json() != 6 {
        harness.post("/v1/objects/counter/a/alarms/due", "").await;
    }
    assert_eq!(shown(&harness).await["alarms"], json!([]));
}

#[tokio::test]
async fn a_failed_alarm_does_not_replace_one_of_its_name() {
    let harness = with_failed(&["scripted"]).await;
    harness.post("/v1/objects/counter/a/set_alarm", "600000").await;
    let answer = harness.post("/v1/objects/counter/a/alarms/retry?number=1", "").await;
    answer.is_problem(ErrorCode::AlarmConflict);
    assert_eq!(numbers(&harness).await, [1], "the failed alarm still exists");
}
