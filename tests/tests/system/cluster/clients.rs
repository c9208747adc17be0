//! Clients that disconnect, and repeated calls (guarantees S6, S7).

use std::time::Duration;

use futures_util::future::join_all;
use highlander_s3_server::faults::{Fault, Operation, Rule};
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::history::Outcome;
use highlander_tests::iterations::iterations;
use highlander_tests::seed;
use rand::RngExt as _;

/// Through the owner and through other nodes: the call continues, and its key yields the outcome.
#[tokio::test]
async fn a_call_whose_client_went_away_is_whole_or_nothing_through_any_node() {
    let mut random =
        seed::random_numbers("a_call_whose_client_went_away_is_whole_or_nothing_through_any_node");
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let delay = Rule::new(Fault::Delay(Duration::from_millis(50))).on(Operation::Put);
    cluster.faults().add(delay);
    let objects = Objects::journals("away", 6);
    for round in 0..iterations(40, 1_000) {
        let recorder = &objects.recorders()[random.random_range(0..6)];
        let client = cluster.client(random.random_range(0..3));
        let timeout = Duration::from_millis(random.random_range(1..80));
        let key = (round % 2 == 0).then(|| format!("k{round}"));
        let _ = recorder.change_until(&client, key.as_deref(), timeout).await;
    }
    let totals = objects.check_history(&cluster).await;
    assert!(totals.unknown > 0, "no client ever disconnected: {totals:?}");
}

#[tokio::test]
async fn repeats_through_all_nodes_at_once_are_one_change() {
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let clients: Vec<_> = (0..3).map(|node| cluster.client(node)).collect();
    let objects = Objects::journals("repeats", 4);
    for recorder in objects.recorders() {
        for round in 0..iterations(5, 200) {
            let key = format!("k{round}");
            let calls = (0..12).map(|call| recorder.change(&clients[call % 3], Some(&key)));
            for outcome in join_all(calls).await {
                let is_first = matches!(outcome, Outcome::Done(seen) if seen.version == round + 1);
                assert!(is_first, "{outcome:?}");
            }
        }
    }
    let _ = objects.check_history(&cluster).await;
}
