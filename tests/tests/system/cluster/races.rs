//! Nodes that race for one object: each epoch has one owner, and the losers route to it.

use std::sync::Arc;

use futures_util::future::join_all;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::history::Outcome;
use highlander_tests::iterations::iterations;
use highlander_tests::seed;
use rand::RngExt as _;
use tokio::sync::Barrier;

/// Number of concurrent races.
const AT_ONCE: usize = 10;

/// Three callers call a cold object at three nodes at the same moment; no node has cached an owner.
#[tokio::test]
async fn a_cold_object_called_through_all_nodes_at_once_has_one_owner() {
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let round_count = usize::try_from(iterations(200, 20_000)).unwrap();
    let clients: Vec<_> = (0..3).map(|node| cluster.client(node)).collect();
    for first in (0..round_count).step_by(AT_ONCE) {
        let objects = Objects::journals(&format!("race-{first}"), AT_ONCE);
        let races = objects.recorders().iter().map(|recorder| {
            let barrier = Arc::new(Barrier::new(clients.len()));
            join_all(clients.iter().map(move |client| {
                let barrier = Arc::clone(&barrier);
                async move {
                    barrier.wait().await;
                    recorder.change(client, None).await
                }
            }))
        });
        for outcomes in join_all(races).await {
            let done = outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(_)));
            assert!(done, "a call failed in a healthy cluster: {outcomes:?}");
        }
        for recorder in objects.recorders() {
            let last = recorder.audit(&clients[first % 3]).await;
            assert_eq!(last.version, 3);
            recorder.audit_record(cluster.record(recorder.object()).await.as_deref());
            let epochs: Vec<_> = recorder.calls().iter().map(|call| call.outcome).collect();
            let is_one = |outcome: &Outcome| matches!(outcome, Outcome::Done(seen) if seen.epoch == last.epoch);
            assert!(epochs.iter().all(is_one), "more than one owner answered: {epochs:?}");
        }
    }
}

/// The owner gives up the object repeatedly, while it is called through all nodes.
#[tokio::test]
async fn an_object_that_is_given_up_under_load_is_taken_by_one_node() {
    let mut random =
        seed::random_numbers("an_object_that_is_given_up_under_load_is_taken_by_one_node");
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let objects = Objects::journals("given-up", 4);
    let turns: Vec<_> = (0..iterations(60, 1_000))
        .map(|_| (random.random_range(0..4_usize), random.random_range(0..3_usize)))
        .collect();
    super::under_load(&cluster, &objects, &mut random, async || {
        for (object, node) in turns {
            let object = objects.recorders()[object].object();
            let _ = cluster.client(node).call(object, "deactivate").send().await;
            objects.more_answers(5).await;
        }
    })
    .await;
    let totals = objects.check_history(&cluster).await;
    assert_eq!(totals.unknown, 0, "a call had an unknown outcome: {totals:?}");
}
