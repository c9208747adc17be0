//! New code that fails some of its objects at the changeover, in every possible way. Other objects are unaffected,
//! and each failed object keeps its state and its previous code (guarantee S9).

use std::sync::Arc;

use highlander_tests::artifacts;
use highlander_tests::client::Client;
use highlander_tests::history::recorder::Recorder;
use highlander_tests::load::Load;
use highlander_tests::node::Node;
use serde_json::json;

/// Key prefixes for which the new code fails, and the reason reported for the object.
const FAULTS: [(&str, &str); 9] = [
    ("trap", "its code trapped"),
    ("loop", "processor time"),
    ("eat", "bytes of memory"),
    ("refuse", "does not take this state"),
    ("garbage", "the code cannot read its state"),
    ("first", "its code trapped"),
    ("first-loop", "processor time"),
    ("first-eat", "bytes of memory"),
    ("first-garbage", "violated its WIT world"),
];

/// Increments every counter, and checks the value and the revision that ran.
async fn check_all(client: &Client, value: u64) {
    for (fault, _) in FAULTS.into_iter().chain([("calm", "")]) {
        let revision = if fault == "calm" { 2 } else { 1 };
        for place in ["live", "cold"] {
            let object = format!("counter/{fault}-{place}");
            let reply = client.call(&object, "increment").send().await.done();
            assert_eq!((reply.json(), reply.revision()), (json!(value), revision), "{object}");
        }
    }
}

/// Checks the reason reported for each object that stays behind: in plain words, and of limited length.
async fn check_reasons(client: &Client) {
    let shown = client.get("/v1/types/counter").send().await.done().json();
    let pinned = shown["pinned"].as_object().expect("keys and reasons");
    assert_eq!(pinned.len(), 2 * FAULTS.len(), "{shown}");
    for (fault, why) in FAULTS {
        for place in ["live", "cold"] {
            let said = pinned[&format!("{fault}-{place}")].as_str().expect("a reason");
            assert!(said.contains(why), "{fault}: {why:?} in {said:?}");
            assert!(said.len() < 10 << 10, "{fault}: {} bytes", said.len());
        }
    }
}

/// Deploys this component while half of the counters are active and half are cold.
async fn check_stay_behind(wasm: Vec<u8>) {
    let mut node = Node::with_guests(&["counter-v2", "journal"]).await;
    let client = node.client();
    for (fault, _) in FAULTS.into_iter().chain([("calm", "")]) {
        for place in ["live", "cold"] {
            let object = format!("counter/{fault}-{place}");
            let _ = client.call(&object, "add").json(json!(40)).send().await.done();
            if place == "cold" {
                client.deactivate(&object).await;
            }
        }
    }
    let neighbour = Arc::new(Recorder::new("journal/neighbour"));
    let load = Load::start(&client, &neighbour, 1, 0);
    let deployed = client.upload_on("max_failures=none", wasm).await;
    assert_eq!((deployed.status, &deployed.json()["revision"]), (201, &json!(2)));
    check_all(&client, 41).await;
    check_reasons(&client).await;
    check_all(&client, 42).await;
    assert_eq!(load.stop().await, 0, "calls of another type failed");
    let _ = neighbour.audit(&client).await;

    node.kill9();
    node.restart().await;
    check_all(&node.client(), 43).await;
    check_reasons(&node.client()).await;
}

#[tokio::test]
async fn an_object_that_new_code_fails_goes_on_with_its_state_and_its_own_code() {
    check_stay_behind(artifacts::guest_bytes("counter-faulty")).await;
}

/// The same failures with states that are all of an older schema than the new code's.
#[tokio::test]
async fn an_object_that_new_code_cannot_migrate_goes_on_with_its_state_and_its_own_code() {
    check_stay_behind(artifacts::told_bytes("counter-faulty", "migrates")).await;
}
