//! Who may move a roll-out on, and who learns of a change: nodes in one process that look only when they are told to.

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::catalog::Catalog;
use crate::catalog::rollout::{Stage, Terms};
use crate::engine::scripted::ScriptedEngine;
use crate::registry::Registry as _;
use crate::router::testing::{Cluster, Place};

/// So many looks that come to nothing are enough.
const QUIET_COUNT: usize = 20;
/// So often the other tasks of a test have their turn until they have done what there was to do.
const YIELDS: usize = 100;

fn counters() -> TypeName {
    TypeName::new("counter").unwrap()
}

/// Nodes that know a first revision, those that move its roll-outs on first.
async fn cluster(names: &[&str]) -> (Cluster, Vec<Place>) {
    let cluster = Cluster::new();
    let mut places = Vec::new();
    for name in names {
        places.push(cluster.join(name).await);
    }
    for place in &places {
        let mut members = place.session.members();
        members.wait_for(|members| members.iter().count() == names.len()).await.unwrap();
    }
    cluster.deploy(&places[0]).await;
    for place in &places {
        place.node.catalog().look_again(&counters()).await.unwrap();
    }
    // What was told of that is read by now, so that nothing else is found by it.
    for _ in 0..YIELDS {
        tokio::task::yield_now().await;
    }
    places
        .sort_by_key(|place| !place.router.membership().unwrap().coordinates_rollout(&counters()));
    (cluster, places)
}

/// Records another revision, of which nobody is told.
async fn record(cluster: &Cluster) {
    let writer = Catalog::new(cluster.store.clone(), Arc::new(ScriptedEngine::new()));
    let wasm = Bytes::from_static(b"scripted:counter second");
    let deployed = writer.deploy(wasm, &Terms::default()).await.unwrap();
    assert_eq!(deployed.revision, 2);
}

/// How far the roll-out is, as it is recorded.
async fn stage(place: &Place) -> Option<Stage> {
    let record = place.node.catalog().revisions("counter").await.unwrap();
    record.rollout.map(|rollout| rollout.stage)
}

/// How many revisions each node knows of.
fn known(places: &[Place]) -> Vec<usize> {
    let count = |place: &Place| place.node.catalog().record("counter").unwrap().revisions.len();
    places.iter().map(count).collect()
}

/// Has nodes look until this is so.
async fn look_until(places: &[Place], mut is_so: impl AsyncFnMut() -> bool) {
    let mut paces: Vec<_> = places.iter().map(|_| Pace::new()).collect();
    let looking = async {
        while !is_so().await {
            for (place, pace) in places.iter().zip(&mut paces) {
                attend(&place.router, pace).await;
            }
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(20), looking).await.expect("it never became so");
}

/// Has one node look again and again: the roll-out stays where it is.
async fn check_moves_nothing(place: &Place, why: &str) {
    let mut pace = Pace::new();
    for _ in 0..QUIET_COUNT {
        attend(&place.router, &mut pace).await;
        assert_eq!(stage(place).await, Some(Stage::Preparing), "{why}");
    }
}

#[tokio::test]
async fn a_node_past_its_lease_moves_nothing_and_goes_on_when_it_holds_again() {
    let (cluster, places) = cluster(&["a", "b"]).await;
    record(&cluster).await;
    for place in &places {
        place.node.catalog().look_again(&counters()).await.unwrap();
    }
    places[0].session.session.freeze();
    check_moves_nothing(&places[0], "its lease is over").await;
    check_moves_nothing(&places[1], "it is not the one to move it on").await;
    places[0].session.session.thaw();
    look_until(&places, async || stage(&places[0]).await == Some(Stage::Watching)).await;
}

/// It would be alone, and find itself ready.
#[tokio::test]
async fn a_node_without_a_session_moves_nothing() {
    let (cluster, places) = cluster(&["a", "b"]).await;
    record(&cluster).await;
    let outsider = cluster.outsider();
    look_around(&outsider).await.unwrap();
    let mut pace = Pace::new();
    for _ in 0..QUIET_COUNT {
        assert!(attend(&outsider, &mut pace).await, "it knows of the roll-out");
        assert_eq!(stage(&places[0]).await, Some(Stage::Preparing));
    }
    assert!(outsider.survey(&counters(), false).await.is_none());
    places[0].session.session.end();
    places[1].session.session.end();
    for place in &places {
        look_around(&place.router).await.unwrap();
        check_moves_nothing(place, "its session is over").await;
    }
}

#[tokio::test]
async fn a_node_that_is_not_ready_and_one_that_does_not_answer_hold_a_roll_out_up() {
    let (cluster, places) = cluster(&["a", "b"]).await;
    record(&cluster).await;
    places[0].node.catalog().look_again(&counters()).await.unwrap();
    cluster.nearby.kill(&places[1].node);
    check_moves_nothing(&places[0], "the other does not answer").await;
    places[1].node.leave().await;
    look_until(&places[..1], async || stage(&places[0]).await == Some(Stage::Watching)).await;
}

/// Whoever recorded it is dead, and has told nobody.
#[tokio::test]
async fn what_the_coordinator_finds_it_tells_the_others() {
    let (cluster, places) = cluster(&["a", "b", "c"]).await;
    record(&cluster).await;
    look_around(&places[0].router).await.unwrap();
    assert_eq!(known(&places), [2, 1, 1]);
    look_until(&places[..1], async || known(&places) == [2, 2, 2]).await;
}

#[tokio::test]
async fn what_was_found_without_a_lease_is_told_when_there_is_one() {
    let (cluster, places) = cluster(&["a", "b"]).await;
    record(&cluster).await;
    places[0].session.session.freeze();
    look_around(&places[0].router).await.unwrap();
    let mut pace = Pace::new();
    for _ in 0..QUIET_COUNT {
        assert!(attend(&places[0].router, &mut pace).await, "there is something to be told");
        tokio::task::yield_now().await;
    }
    assert_eq!(known(&places), [2, 1]);
    places[0].session.session.thaw();
    look_until(&places[..1], async || known(&places) == [2, 2]).await;
}

#[tokio::test]
async fn a_change_that_cannot_be_told_is_told_later() {
    let (_cluster, places) = cluster(&["a", "b"]).await;
    let node = &places[1].node;
    assert!(node.announce_untold().await, "nothing is to be told");
    places[1].session.session.freeze();
    let change = |record: &mut TypeRecord| {
        record.close();
        Ok(Some(()))
    };
    node.amend_type(&counters(), change).await.unwrap();
    assert!(!node.announce_untold().await);
    let mark = |place: &Place| place.node.catalog().mark("counter");
    assert_ne!(mark(&places[0]), mark(&places[1]));
    places[1].session.session.thaw();
    assert!(node.announce_untold().await);
    look_until(&[], async || mark(&places[0]) == mark(&places[1])).await;
}
