//! Coordination of a roll-out and propagation of changes: nodes in one process that check only on request.

use std::sync::Arc;

use bytes::Bytes;
use highlander_core::catalog::deploy::DeployOptions;
use highlander_core::catalog::rollout::Stage;
use highlander_core::rollout::ProgressQuery;
use highlander_testing::fake_engine::FakeEngine;
use tokio::time::timeout;

use super::*;
use crate::catalog::Catalog;
use crate::router::testing::{Cluster, Place};

/// Number of passes without a change after which a test stops.
const QUIET_COUNT: usize = 20;
/// Number of yields that let the other tasks of a test finish their work.
const YIELDS: usize = 100;

fn counters() -> TypeName {
    TypeName::new("counter").unwrap()
}

/// Returns nodes that have loaded a first revision; the coordinator of its roll-outs comes first.
async fn cluster(names: &[&str]) -> (Cluster, Vec<Place>) {
    let (cluster, mut places) = Cluster::with_counters(names).await;
    for place in &places {
        place.node.catalog().refresh_now(&counters()).await.unwrap();
    }
    // The announcements have been processed by now, so that they trigger no later reads.
    for _ in 0..YIELDS {
        tokio::task::yield_now().await;
    }
    places
        .sort_by_key(|place| !place.router.membership().unwrap().coordinates_rollout(&counters()));
    (cluster, places)
}

/// Records another revision without notifying any node.
async fn record(cluster: &Cluster) {
    let writer = Catalog::new(cluster.store.clone(), Arc::new(FakeEngine::new()));
    let wasm = Bytes::from_static(b"scripted:counter second");
    let deployed = writer.deploy(wasm, &DeployOptions::default()).await.unwrap();
    assert_eq!(deployed.revision, 2);
}

/// Returns the recorded stage of the roll-out.
async fn stage(place: &Place) -> Option<Stage> {
    let record = place.node.catalog().revisions("counter").await.unwrap();
    record.rollout.as_ref().map(|rollout| rollout.stage)
}

/// Returns the number of revisions in the cached record of each node.
fn known(places: &[Place]) -> Vec<usize> {
    let count = |place: &Place| place.node.catalog().record("counter").unwrap().revisions.len();
    places.iter().map(count).collect()
}

/// Lets the nodes check until the condition holds.
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
    timeout(Duration::from_secs(20), looking).await.expect("the condition was not met in time");
}

/// Lets one node check repeatedly, and verifies that the roll-out stays in its stage.
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
        place.node.catalog().refresh_now(&counters()).await.unwrap();
    }
    places[0].session.session.freeze();
    check_moves_nothing(&places[0], "its lease has expired").await;
    check_moves_nothing(&places[1], "it is not the coordinator").await;
    places[0].session.session.thaw();
    look_until(&places, async || stage(&places[0]).await == Some(Stage::Verifying)).await;
}

/// Such a node would consider itself alone, and ready.
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
    assert!(outsider.survey(&counters(), ProgressQuery::default()).await.is_none());
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
    places[0].node.catalog().refresh_now(&counters()).await.unwrap();
    cluster.nearby.kill(&places[1].node);
    check_moves_nothing(&places[0], "the other node does not respond").await;
    places[1].node.leave().await;
    look_until(&places[..1], async || stage(&places[0]).await == Some(Stage::Verifying)).await;
}

/// The node that recorded the revision is dead and has notified no other.
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
        assert!(attend(&places[0].router, &mut pace).await, "a notification is pending");
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
    assert!(node.announce_untold().await, "no notification is pending");
    places[1].session.session.freeze();
    let change = |record: &mut TypeRecord| {
        record.close();
        Ok(Some(()))
    };
    node.update_type(&counters(), change).await.unwrap();
    assert!(!node.announce_untold().await);
    let generation = |place: &Place| place.node.catalog().generation("counter");
    assert_ne!(generation(&places[0]), generation(&places[1]));
    places[1].session.session.thaw();
    assert!(node.announce_untold().await);
    look_until(&[], async || generation(&places[0]) == generation(&places[1])).await;
}
