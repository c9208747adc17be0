//! Garbage collection on a cluster of nodes in one process.

use std::sync::Arc;

use bytes::Bytes;
use highlander_core::caller::Caller;
use highlander_core::catalog::deploy::DeployOptions;
use highlander_core::catalog::repeated::Back;
use highlander_core::catalog::rollout::RolloutScope;
use highlander_core::error::ErrorCode;
use highlander_core::store::Store as _;
use serde_json::Value;

use super::*;
use crate::rehearsal::Rehearsals;
use crate::rollout;
use crate::router::context::Context;
use crate::router::testing::{Cluster, Place, call, counter};
use crate::wire::rehearsals::Sample;

/// Keeps only the present revision, and removes the others as soon as nothing needs them.
const AT_ONCE: Retention = Retention { kept_count: 1, after_ms: 0 };
/// Number of passes without a change after which a test stops.
const QUIET_COUNT: usize = 20;

fn component(text: &str) -> Bytes {
    format!("scripted:counter {text}").into()
}

fn counters() -> TypeName {
    TypeName::new("counter").unwrap()
}

async fn cluster(names: &[&str]) -> (Cluster, Vec<Place>) {
    let (cluster, places) = Cluster::of(names).await;
    for place in &places {
        tokio::spawn(rollout::run(Arc::downgrade(&place.router)));
    }
    (cluster, places)
}

/// Deploys a component and ends its roll-out.
async fn deploy(place: &Place, text: &str) -> Result<u32, Error> {
    let options = DeployOptions { scope: RolloutScope::All, ..DeployOptions::default() };
    let deployed =
        rollout::deploy(&place.router, component(text), &options, rollout::Wait::AllNodes).await?;
    let end = |record: &mut TypeRecord| {
        let is_open = record.rollout.is_some();
        record.close();
        Ok(is_open.then_some(()))
    };
    place.node.update_type(&counters(), end).await?;
    Ok(deployed.revision)
}

/// Calls the object `key` and returns the revision that replied.
async fn add(place: &Place, key: &str) -> u32 {
    let adding = call("increment", &Value::Null);
    place.router.call(&counter(key), adding, Context::default()).await.unwrap().revision
}

/// Runs passes on every node until none removes anything more, and returns the collected revisions.
async fn look_all(places: &[Place]) -> Vec<u32> {
    let mut gone = Vec::new();
    let mut quiet_count = 0;
    while quiet_count < QUIET_COUNT {
        for place in places {
            look(&place.router, AT_ONCE, &mut BTreeSet::new()).await.unwrap();
        }
        // The first pass only records what is unused, and the nodes must read that record.
        sleep(Duration::from_millis(2)).await;
        let record = places[0].node.catalog().revisions("counter").await.unwrap();
        let collected = record.revisions.iter().filter(|entry| entry.is_collected);
        let collected: Vec<_> = collected.map(|entry| entry.number).collect();
        quiet_count = if collected == gone { quiet_count + 1 } else { 0 };
        gone = collected;
    }
    gone
}

fn has_blob(cluster: &Cluster, text: &str, copy: u32) -> bool {
    cluster.store.peek(&component_blob(Digest::of(&component(text)), copy)).is_some()
}

#[tokio::test]
async fn a_component_that_no_object_names_is_removed() {
    let (cluster, places) = cluster(&["a", "b", "c"]).await;
    for text in ["first", "second", "third"] {
        deploy(&places[0], text).await.unwrap();
        add(&places[1], "x").await;
    }
    assert_eq!(look_all(&places).await, [1, 2]);
    assert!(!has_blob(&cluster, "first", 0) && !has_blob(&cluster, "second", 0));
    assert!(has_blob(&cluster, "third", 0));
    assert_eq!(add(&places[2], "x").await, 3);
    let first = Back { to: Some(1), ..Back::default() };
    let back =
        rollout::roll_back(&places[0].router, &counters(), &first, rollout::Wait::AllNodes).await;
    assert_eq!(back.unwrap_err().code, ErrorCode::RevisionNotFound);
}

#[tokio::test]
async fn a_component_that_a_record_names_stays() {
    let (cluster, places) = cluster(&["a", "b"]).await;
    deploy(&places[0], "first").await.unwrap();
    add(&places[0], "stubborn").await;
    for (text, revision) in [("second", 2), ("third", 3)] {
        deploy(&places[0], &format!("{text} unreadable:stubborn")).await.unwrap();
        assert_eq!(add(&places[0], "other").await, revision);
        assert_eq!(add(&places[1], "stubborn").await, 1);
    }
    for place in &places {
        place.node.deactivate(&counter("stubborn")).await;
    }
    assert_eq!(look_all(&places).await, [2], "only revision 1 reads the stubborn object");
    assert!(has_blob(&cluster, "first", 0));
    assert_eq!(add(&places[1], "stubborn").await, 1);
}

#[tokio::test]
async fn a_component_that_a_live_object_may_run_stays() {
    let (cluster, places) = cluster(&["a", "b"]).await;
    deploy(&places[0], "first").await.unwrap();
    // The object was read and never changed, so no record can name a component.
    let looking = call("get", &Value::Null);
    places[0].router.call(&counter("idle"), looking, Context::default()).await.unwrap();
    deploy(&places[0], "second").await.unwrap();
    assert_eq!(look_all(&places).await, [0; 0], "its next call may still need the first");
    assert!(has_blob(&cluster, "first", 0));
    assert_eq!(add(&places[0], "idle").await, 2);
    assert_eq!(look_all(&places).await, [1]);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_may_name_any_component() {
    let (cluster, places) = cluster(&["a"]).await;
    deploy(&places[0], "first").await.unwrap();
    cluster.store.plant(&counter("damaged").blob_key(), Bytes::from_static(b"{}"));
    deploy(&places[0], "second").await.unwrap();
    let mut codes = Vec::new();
    while codes.len() < QUIET_COUNT {
        let looked = look(&places[0].router, AT_ONCE, &mut BTreeSet::new()).await;
        codes.extend(looked.err().map(|error| error.code));
        sleep(Duration::from_millis(2)).await;
    }
    assert!(codes.iter().all(|code| *code == ErrorCode::RecordDamaged), "{codes:?}");
    assert!(has_blob(&cluster, "first", 0));
}

#[tokio::test]
async fn a_component_that_was_removed_can_be_deployed_again() {
    let (cluster, places) = cluster(&["a", "b"]).await;
    for text in ["first", "second"] {
        deploy(&places[0], text).await.unwrap();
    }
    assert_eq!(look_all(&places).await, [1]);
    assert_eq!(deploy(&places[1], "first").await, Ok(3));
    assert!(!has_blob(&cluster, "first", 0) && has_blob(&cluster, "first", 1));
    assert_eq!(add(&places[0], "x").await, 3);
    assert_eq!(look_all(&places).await, [1, 2]);
    assert_eq!(add(&places[0], "x").await, 3);
}

#[tokio::test]
async fn nothing_is_collected_while_a_node_does_not_say_what_its_objects_run() {
    let (cluster, places) = cluster(&["a", "b"]).await;
    for text in ["first", "second"] {
        deploy(&places[0], text).await.unwrap();
    }
    for place in &places {
        cluster.nearby.kill(&place.node);
    }
    assert_eq!(look_all(&places).await, [0; 0]);
    assert!(has_blob(&cluster, "first", 0));
}

/// Such a node would consider itself alone, with no object that runs any revision.
#[tokio::test]
async fn nothing_is_collected_by_a_node_that_does_not_know_the_others() {
    let (cluster, places) = cluster(&["a", "b"]).await;
    for text in ["first", "second"] {
        deploy(&places[0], text).await.unwrap();
    }
    for place in &places {
        place.session.session.freeze();
    }
    assert_eq!(look_all(&places).await, [0; 0], "their leases have expired");
    for place in &places {
        place.session.session.end();
    }
    assert_eq!(look_all(&places).await, [0; 0], "their sessions are over");
    let outsider = cluster.outsider();
    outsider.node().catalog().refresh_now(&counters()).await.unwrap();
    for _ in 0..QUIET_COUNT {
        look(&outsider, AT_ONCE, &mut BTreeSet::new()).await.unwrap();
    }
    assert!(has_blob(&cluster, "first", 0));
}

#[tokio::test]
async fn what_was_stored_for_a_rehearsal_is_removed_after_it() {
    let (cluster, places) = cluster(&["a", "b"]).await;
    deploy(&places[0], "first").await.unwrap();
    add(&places[0], "x").await;
    let rehearsals = Rehearsals::default();
    let rehearsing =
        rehearsals.run(&places[0].router, component("second"), Sample::All, &Caller::Anonymous);
    let rehearsed = rehearsing.await.unwrap().rehearsed;
    assert_eq!((rehearsed.tried, rehearsed.failed), (1, 0));
    let left = cluster.store.list("", None, 100).await.unwrap();
    let left: Vec<_> = left.names.iter().filter(|name| name.ends_with(".wasm")).collect();
    assert_eq!(left, [&component_blob(Digest::of(&component("first")), 0)]);
}
