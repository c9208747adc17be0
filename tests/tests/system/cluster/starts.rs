//! Nodes that start at the same moment.

use std::time::Duration;

use futures_util::future::join_all;
use highlander_s3_server::faults::{Fault, Operation, Rule};
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::iterations::iterations;

/// They probe the store through one blob, and interfere with each other.
#[tokio::test]
async fn nodes_that_start_together_do_not_say_that_the_store_does_not_answer() {
    let cluster = Cluster::start(ClusterOptions { nodes: 5, ..ClusterOptions::new() }).await;
    // Some of their writes collide: for two concurrent writes, AWS may return a conflict to each.
    let conflict = Fault::Refuse(409, "ConditionalRequestConflict");
    let meet = Rule::new(conflict).on(Operation::Put).key_with("probe/").with_chance(0.1);
    let slow = Rule::new(Fault::Delay(Duration::from_millis(10))).key_with("probe/");
    cluster.faults().add(meet);
    cluster.faults().add(slow);
    for _ in 0..iterations(2, 10) {
        cluster.nodes().iter().for_each(|node| node.kill9());
        join_all(cluster.nodes().iter().map(|node| node.restart())).await;
        for node in cluster.nodes() {
            let log = node.log().join("\n");
            assert!(log.contains("listening on"), "{log}");
            assert!(!log.contains("does not respond"), "{}: {log}", node.name());
        }
        cluster.is_whole().await;
    }
}
