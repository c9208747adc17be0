//! Roll-outs on a cluster of nodes in one process.

use std::sync::Arc;

use bytes::Bytes;
use highlander_core::activation::Operation;
use highlander_core::caller::{Caller, Principal};
use highlander_core::catalog::rollout::RolloutScope;
use highlander_core::error::ErrorCode;
use highlander_core::registry::Registry as _;
use highlander_core::rollout::{ProgressQuery, total};
use highlander_testing::fake_engine::FakeEngine;
use highlander_testing::memory::GetFault;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::coordinate::look_around;
use super::*;
use crate::catalog::Catalog;
use crate::rehearsal::{Rehearsals, passed};
use crate::router::context::Context;
use crate::router::testing::{Cluster, Place, call, counter};
use crate::wire::rehearsals::Sample;

/// Query for the present progress.
const NOW: ProgressQuery = ProgressQuery { counts_live: false, awaited: None };

fn options(scope: RolloutScope) -> DeployOptions {
    DeployOptions { scope, ..DeployOptions::default() }
}

fn component(text: &str) -> Bytes {
    format!("scripted:counter {text}").into()
}

fn counters() -> TypeName {
    TypeName::new("counter").unwrap()
}

/// Returns nodes that coordinate roll-outs.
async fn cluster(names: &[&str]) -> (Cluster, Vec<Place>) {
    let (cluster, places) = Cluster::with_counters(names).await;
    for place in &places {
        tokio::spawn(run(Arc::downgrade(&place.router)));
    }
    (cluster, places)
}

/// Waits until a node sees this number of members.
async fn sees(place: &Place, count: usize) {
    until(async || place.session.members().iter().count() == count).await;
}

async fn add(place: &Place, key: &str) -> (Value, u32) {
    let id = counter(key);
    let answer = place.router.call(&id, call("increment", &Value::Null), Context::default());
    let done = answer.await.unwrap();
    (serde_json::from_slice(&done.reply.to_json()).unwrap(), done.revision)
}

async fn until<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(20), waiting).await.expect("the condition was not met in time");
}

#[tokio::test]
async fn every_node_serves_a_new_revision_when_its_deployment_is_done() {
    let (_cluster, places) = cluster(&["a", "b", "c"]).await;
    for n in 0..20 {
        assert_eq!(add(&places[n % 3], &n.to_string()).await, (json!(1), 1));
    }
    let done =
        deploy(&places[1].router, component("second"), &options(RolloutScope::All), Wait::AllNodes)
            .await;
    assert_eq!(done.map(|deployed| (deployed.revision, deployed.is_new())), Ok((2, true)));
    for n in 0..20 {
        assert_eq!(add(&places[n % 3], &n.to_string()).await, (json!(2), 2));
    }
    let again =
        deploy(&places[0].router, component("second"), &options(RolloutScope::All), Wait::AllNodes)
            .await;
    assert_eq!(again.map(|deployed| deployed.is_new()), Ok(false));
    let total = total(&places[2].router.progress(&counters(), NOW, Context::default()).await);
    assert_eq!((total.succeeded, total.failed), (20, 0));
}

#[tokio::test]
async fn no_activation_ends_when_its_code_changes() {
    let (_cluster, places) = cluster(&["a"]).await;
    add(&places[0], "x").await;
    let claims = places[0].session.claim_count();
    deploy(&places[0].router, component("second"), &options(RolloutScope::All), Wait::AllNodes)
        .await
        .unwrap();
    assert_eq!(add(&places[0], "x").await, (json!(2), 2));
    assert_eq!((claims, places[0].session.claim_count()), (1, 1));
    assert!(places[0].node.is_active(&counter("x")));
}

#[tokio::test]
async fn an_object_that_new_code_fails_stays_on_the_old_and_is_named() {
    let (_cluster, places) = cluster(&["a", "b"]).await;
    for key in ["good", "bad", "ugly"] {
        add(&places[0], key).await;
    }
    let text = "unreadable:bad trapping:ugly";
    deploy(&places[0].router, component(text), &options(RolloutScope::All), Wait::AllNodes)
        .await
        .unwrap();
    assert_eq!(add(&places[1], "good").await, (json!(2), 2));
    assert_eq!(add(&places[1], "bad").await, (json!(2), 1));
    assert_eq!(add(&places[1], "ugly").await, (json!(2), 1));
    let reports = places[1].router.progress(&counters(), NOW, Context::default()).await;
    let held: Vec<_> = total(&reports).pinned.into_keys().collect();
    assert_eq!(held, ["bad", "ugly"]);
    // The object tries the next revision.
    deploy(&places[0].router, component("third"), &options(RolloutScope::All), Wait::AllNodes)
        .await
        .unwrap();
    assert_eq!(add(&places[0], "bad").await, (json!(3), 3));
    let reports = places[1].router.progress(&counters(), NOW, Context::default()).await;
    assert!(total(&reports).pinned.is_empty());
}

#[tokio::test]
async fn a_cold_object_that_new_code_does_not_read_goes_on_with_its_own() {
    let (_cluster, places) = cluster(&["a"]).await;
    add(&places[0], "bad").await;
    places[0].node.deactivate(&counter("bad")).await;
    deploy(
        &places[0].router,
        component("unreadable:b"),
        &options(RolloutScope::All),
        Wait::AllNodes,
    )
    .await
    .unwrap();
    assert_eq!(add(&places[0], "bad").await, (json!(2), 1));
}

#[tokio::test]
async fn a_roll_out_that_fails_too_many_objects_takes_itself_back() {
    let (_cluster, places) = cluster(&["a", "b"]).await;
    for n in 0..100 {
        let key = if n < 6 { format!("bad-{n}") } else { n.to_string() };
        add(&places[n % 2], &key).await;
    }
    let bad = component("unreadable:bad");
    let done = deploy(&places[0].router, bad, &options(RolloutScope::All), Wait::AllNodes).await;
    let error = done.unwrap_err();
    assert_eq!(error.code, ErrorCode::RevisionRolledBack);
    assert!(error.message.contains("objects; bad-"), "{}", error.message);
    for (n, place) in places.iter().enumerate() {
        // In this order, so that `is_probed` refers to the last record.
        let record = || place.node.catalog().record("counter").unwrap();
        until(async || {
            record().rollout.is_none() && place.node.progress(&counters(), NOW).await.is_probed
        })
        .await;
        assert_eq!(record().current, 1);
        assert_eq!(add(place, "50").await, (json!(2 + n), 1));
    }
}

#[tokio::test]
async fn a_part_of_the_objects_goes_first_and_then_all() {
    let (_cluster, places) = cluster(&["a", "b"]).await;
    let router = &places[0].router;
    add(&places[0], "x").await;
    let scope = RolloutScope::Keys(vec!["x".to_owned()]);
    deploy(router, component("second"), &options(scope), Wait::AllNodes).await.unwrap();
    assert_eq!(add(&places[1], "x").await.1, 2);
    assert_eq!(add(&places[1], "y").await.1, 1);
    let other = deploy(router, component("third"), &options(RolloutScope::All), Wait::AllNodes)
        .await
        .unwrap_err();
    assert_eq!(other.code, ErrorCode::DeploymentConflict);
    deploy(router, component("second"), &options(RolloutScope::Percent(50)), Wait::AllNodes)
        .await
        .unwrap();
    let mut revisions = Vec::new();
    for n in 0..100 {
        revisions.push(add(&places[n % 2], &n.to_string()).await.1);
    }
    let second = revisions.iter().filter(|revision| **revision == 2).count();
    assert!((25..75).contains(&second), "{second} of 100");
    deploy(router, component("second"), &options(RolloutScope::All), Wait::AllNodes).await.unwrap();
    assert_eq!(add(&places[1], "y").await.1, 2);
}

/// The node that recorded the revision cannot read it again at once.
#[tokio::test]
async fn what_is_recorded_is_deployed_whatever_the_store_does_next() {
    let cluster = Cluster::new();
    let place = cluster.join("a").await;
    let options = options(RolloutScope::All);
    let writer = Catalog::new(cluster.store.clone(), Arc::new(FakeEngine::new()));
    cluster.store.script_gets([GetFault::Nothing, GetFault::Nothing, GetFault::Unavailable]);
    let first = writer.deploy(component("first"), &options).await.unwrap();
    assert_eq!((first.revision, first.is_new()), (1, true));
    assert!(writer.record("counter").is_none());
    place.node.catalog().refresh_now(&counters()).await.unwrap();
    cluster.store.script_gets([GetFault::Nothing, GetFault::Nothing, GetFault::Unavailable]);
    let second = deploy(&place.router, component("second"), &options, Wait::Nothing).await.unwrap();
    assert_eq!((second.revision, second.is_new()), (2, true));
    tokio::spawn(run(Arc::downgrade(&place.router)));
    follow(&place.router, &counters(), 2).await.unwrap();
    assert_eq!(add(&place, "1").await, (json!(1), 2));
}

/// The node that recorded the revision died before it could notify the others.
#[tokio::test]
async fn a_revision_that_nobody_tells_of_is_found() {
    let (cluster, places) = cluster(&["a", "b", "c"]).await;
    for place in &places {
        place.node.catalog().refresh_now(&counters()).await.unwrap();
    }
    let writer = Catalog::new(cluster.store.clone(), Arc::new(FakeEngine::new()));
    let deployed = writer.deploy(component("second"), &options(RolloutScope::All)).await.unwrap();
    assert_eq!(deployed.revision, 2);
    let known = |place: &Place| {
        let record = place.node.catalog().record("counter").unwrap();
        (record.current, record.revisions.len())
    };
    assert!(places.iter().all(|place| known(place) == (1, 1)));
    // Each node finds the revision, whichever coordinates the roll-out.
    for place in &places {
        look_around(&place.router).await.unwrap();
        assert_eq!(place.node.catalog().record("counter").unwrap().revisions.len(), 2);
    }
    until(async || places.iter().all(|place| known(place) == (2, 2))).await;
}

/// The client did not receive the outcome of its deployment: the node died before it responded.
#[tokio::test]
async fn a_deployment_that_is_repeated_with_its_key_is_made_once_whatever_came_between() {
    let (_cluster, places) = cluster(&["a", "b"]).await;
    let keyed = |key: &str| DeployOptions { key: Some(key.to_owned()), ..DeployOptions::default() };
    let (router, other) = (&places[0].router, &places[1].router);
    let second = || component("second");
    let first_time = deploy(router, second(), &keyed("k"), Wait::AllNodes).await.unwrap();
    assert_eq!((first_time.revision, first_time.is_new()), (2, true));
    let repeated = deploy(other, second(), &keyed("k"), Wait::AllNodes).await.unwrap();
    assert_eq!((repeated.revision, repeated.is_new()), (2, false));
    deploy(router, component("third"), &options(RolloutScope::All), Wait::AllNodes).await.unwrap();
    let repeated = deploy(other, second(), &keyed("k"), Wait::AllNodes).await.unwrap();
    assert_eq!((repeated.revision, repeated.is_new()), (2, false));
    assert_eq!(add(&places[0], "x").await.1, 3, "the later revision stays current");
    let reused = deploy(router, component("other"), &keyed("k"), Wait::AllNodes).await.unwrap_err();
    assert_eq!(reused.code, ErrorCode::IdempotencyKeyReused);
    let anew = deploy(other, second(), &keyed("l"), Wait::AllNodes).await.unwrap();
    assert_eq!(
        (anew.revision, anew.is_new()),
        (4, true),
        "a request with another key is a new one"
    );
    gone_back(router, None).await.unwrap();
    let repeated = deploy(other, second(), &keyed("l"), Wait::AllNodes).await.unwrap_err();
    assert_eq!(repeated.code, ErrorCode::RevisionRolledBack, "the repetition returns the outcome");
}

/// The node that was asked died before it answered.
#[tokio::test]
async fn a_roll_back_that_is_repeated_with_its_key_goes_back_once_through_any_node() {
    let (_cluster, places) = cluster(&["a", "b"]).await;
    let (router, other) = (&places[0].router, &places[1].router);
    for text in ["second", "third"] {
        deploy(router, component(text), &options(RolloutScope::All), Wait::AllNodes).await.unwrap();
    }
    let keyed = Back { key: Some("k".to_owned()), ..back(None) };
    let done = roll_back(router, &counters(), &keyed, Wait::AllNodes).await;
    assert_eq!(done, Ok(RolledBack { revision: 2, is_new: true }));
    for repeated in [other, router] {
        let done = roll_back(repeated, &counters(), &keyed, Wait::AllNodes).await;
        assert_eq!(done, Ok(RolledBack { revision: 2, is_new: false }));
    }
    assert_eq!(add(&places[1], "x").await.1, 2);
    let named = Back { to: Some(1), ..keyed.clone() };
    let error = roll_back(other, &counters(), &named, Wait::AllNodes).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::IdempotencyKeyReused);
    deploy(router, component("fourth"), &options(RolloutScope::All), Wait::AllNodes).await.unwrap();
    let done = roll_back(other, &counters(), &keyed, Wait::AllNodes).await;
    assert_eq!(done, Ok(RolledBack { revision: 2, is_new: false }));
    assert_eq!(add(&places[1], "x").await.1, 4, "the later revision stays current");
    let anew = Back { key: Some("l".to_owned()), ..keyed };
    let done = roll_back(other, &counters(), &anew, Wait::AllNodes).await;
    assert_eq!(
        done,
        Ok(RolledBack { revision: 2, is_new: true }),
        "another key makes it a new request"
    );
}

#[tokio::test]
async fn a_share_that_is_made_larger_with_a_key_is_so_once() {
    let (_cluster, places) = cluster(&["a"]).await;
    let router = &places[0].router;
    let second = || component("second");
    let keyed = |key: &str, scope| DeployOptions { key: Some(key.to_owned()), ..options(scope) };
    let part = keyed("part", RolloutScope::Percent(10));
    let all = keyed("all", RolloutScope::All);
    assert!(deploy(router, second(), &part, Wait::AllNodes).await.unwrap().is_new());
    assert!(deploy(router, second(), &all, Wait::AllNodes).await.unwrap().is_new());
    for options in [&part, &all] {
        let repeated = deploy(router, second(), options, Wait::AllNodes).await.unwrap();
        assert_eq!((repeated.revision, repeated.is_new()), (2, false));
    }
    assert_eq!(places[0].node.catalog().record("counter").unwrap().current, 2);
}

#[tokio::test]
async fn going_back_to_what_is_on_its_way_changes_nothing() {
    let (_cluster, places) = cluster(&["a"]).await;
    let router = &places[0].router;
    deploy(router, component("second"), &options(RolloutScope::All), Wait::AllNodes).await.unwrap();
    let record = places[0].node.catalog().record("counter").unwrap();
    let mut record = Arc::unwrap_or_clone(record);
    record.close();
    let went = |is_new| Ok(RolledBack { revision: 1, is_new });
    assert_eq!(record.roll_back(&back(Some(1)), 1000), went(true));
    let on_its_way = record.clone();
    assert_eq!(record.roll_back(&back(Some(1)), 2000), went(false));
    assert_eq!(record, on_its_way);
    record.roll(3000);
    record.close();
    assert_eq!((record.roll_back(&back(Some(1)), 4000), record.current), (went(false), 1));
}

#[tokio::test]
async fn an_older_revision_is_made_current_again() {
    let (_cluster, places) = cluster(&["a", "b"]).await;
    let router = &places[0].router;
    add(&places[0], "x").await;
    deploy(router, component("second"), &options(RolloutScope::All), Wait::AllNodes).await.unwrap();
    assert_eq!(add(&places[1], "x").await, (json!(2), 2));
    assert_eq!(gone_back(router, None).await, Ok(1));
    assert_eq!(add(&places[1], "x").await, (json!(3), 1));
    let why = places[1].node.catalog().record("counter").unwrap().revisions[1].rolled_back.clone();
    assert_eq!(why.as_deref(), Some("rolled back by me"));
    assert_eq!(gone_back(router, Some(2)).await, Ok(2));
    assert_eq!(add(&places[0], "x").await, (json!(4), 2));
    let none = gone_back(router, Some(9)).await.unwrap_err();
    assert_eq!(none.code, ErrorCode::RevisionNotFound);
}

#[tokio::test]
async fn an_object_with_a_newer_schema_stays_where_it_can_be_read_after_a_roll_back() {
    let (_cluster, places) = cluster(&["a"]).await;
    let router = &places[0].router;
    add(&places[0], "old").await;
    let second = Bytes::from_static(b"scripted:counter@2");
    deploy(router, second, &options(RolloutScope::All), Wait::AllNodes).await.unwrap();
    assert_eq!(add(&places[0], "new").await.1, 2);
    gone_back(router, None).await.unwrap();
    assert_eq!(add(&places[0], "old").await, (json!(2), 1));
    assert_eq!(add(&places[0], "new").await, (json!(2), 2));
    let held = total(&router.progress(&counters(), NOW, Context::default()).await).pinned;
    assert!(held["new"].contains("newer schema"), "{held:?}");
}

#[tokio::test]
async fn what_another_node_began_is_brought_to_its_end() {
    let (cluster, places) = cluster(&["a", "b"]).await;
    add(&places[0], "x").await;
    let steward = coordinator(&places);
    let other = &places[1 - steward];
    // The coordinator disappears as soon as the revision is recorded.
    deploy(&other.router, component("second"), &options(RolloutScope::All), Wait::Nothing)
        .await
        .unwrap();
    cluster.nearby.kill(&places[steward].node);
    places[steward].node.leave().await;
    sees(other, 1).await;
    follow(&other.router, &counters(), 2).await.unwrap();
    assert_eq!(add(other, "x").await, (json!(2), 2));
}

#[tokio::test]
async fn a_node_that_starts_late_catches_up() {
    let (cluster, places) = cluster(&["a"]).await;
    deploy(&places[0].router, component("second"), &options(RolloutScope::All), Wait::AllNodes)
        .await
        .unwrap();
    let late = cluster.join("b").await;
    assert_eq!(add(&late, "y").await.1, 2);
}

#[tokio::test]
async fn an_object_can_be_resumed_through_any_node() {
    let (_cluster, places) = cluster(&["a", "b"]).await;
    add(&places[0], "x").await;
    let resume = highlander_core::activation::Call {
        operation: Operation::Resume,
        ..call("", &Value::Null)
    };
    for place in &places {
        let done = place.router.call(&counter("x"), resume.clone(), Context::default()).await;
        let reply = done.unwrap().reply.into_json();
        assert_eq!(reply, "false", "it was not quarantined");
    }
}

/// Returns the index of the node that coordinates the roll-outs of the counters.
fn coordinator(places: &[Place]) -> usize {
    let is_it = |place: &Place| place.router.membership().unwrap().coordinates_rollout(&counters());
    places.iter().position(is_it).expect("one node coordinates each roll-out")
}

fn back(to: Option<u32>) -> Back {
    Back { to, by: me(), key: None }
}

async fn gone_back(router: &Router, to: Option<u32>) -> Result<u32, Error> {
    roll_back(router, &counters(), &back(to), Wait::AllNodes).await.map(|done| done.revision)
}

/// Returns a principal that may deploy.
fn me() -> Caller {
    Principal::new("me", "deploy:counter".parse().unwrap()).unwrap().into()
}

#[tokio::test]
async fn a_rehearsal_reads_every_state_and_changes_nothing() {
    let (cluster, places) = cluster(&["a", "b"]).await;
    for n in 0..250 {
        let key = if n % 50 == 0 { format!("bad-{n}") } else { n.to_string() };
        add(&places[n % 2], &key).await;
    }
    let delete = highlander_core::activation::Call {
        operation: Operation::Delete,
        ..call("", &Value::Null)
    };
    places[0].router.call(&counter("7"), delete, Context::default()).await.unwrap();
    let puts = cluster.store.put_count();
    let rehearsals = Rehearsals::default();
    let router = &places[0].router;
    let text = component("unreadable:bad-1 trapping:bad-2");
    let rehearsal = rehearsals.run(router, text, Sample::All, &Caller::Anonymous).await.unwrap();
    assert_eq!(cluster.store.put_count(), puts + 1, "only the component is written");
    assert_eq!((rehearsal.total, rehearsal.is_done), (Some(250), true));
    let rehearsed = &rehearsal.rehearsed;
    assert_eq!((rehearsed.tried, rehearsed.failed), (249, 3));
    let causes: Vec<_> = rehearsed
        .causes
        .iter()
        .map(|(cause, failures)| (cause.as_str(), failures.count, failures.examples.len()))
        .collect();
    let unreadable = "the code cannot read its state: scripted";
    assert_eq!(causes, [(unreadable, 2, 2), ("the query caller: its code trapped", 1, 1)]);
    assert!(rehearsed.bytes_before > 0 && rehearsed.largest_after > 0, "{rehearsed:?}");
    assert_eq!(passed(&rehearsal).unwrap_err().code, ErrorCode::RehearsalFailed);
    let some = rehearsals
        .run(router, component("good"), Sample::Some(20), &Caller::Anonymous)
        .await
        .unwrap();
    assert_eq!((some.total, some.rehearsed.failed), (Some(20), 0));
    assert_eq!(passed(&some), Ok(()));
    assert_eq!(add(&places[1], "9").await, (json!(2), 1), "nothing was deployed");
}
