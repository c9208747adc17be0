//! Claims by partition: the same guarantees, and claims that move with the nodes.

use std::time::Duration;

use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::iterations::iterations;
use highlander_tests::seed;
use rand::RngExt as _;
use tokio::time::sleep;

#[tokio::test]
async fn partitions_of_a_killed_or_frozen_node_are_taken_and_lose_nothing() {
    let mut random =
        seed::random_numbers("partitions_of_a_killed_or_frozen_node_are_taken_and_lose_nothing");
    let cluster = Cluster::start(ClusterOptions::new().partitions(64)).await;
    let objects = Objects::journals("partitioned", 16);
    for round in 0..iterations(4, 50) {
        let victim = random.random_range(0..3);
        super::under_load(&cluster, &objects, &mut random, async || {
            if round % 2 == 0 {
                cluster.node(victim).kill9();
                let _ = objects.settle(&cluster).await;
                cluster.node(victim).restart().await;
            } else {
                cluster.node(victim).freeze();
                sleep(cluster.options().session_timeout.mul_f64(1.5)).await;
                cluster.node(victim).thaw();
            }
        })
        .await;
        cluster.is_whole().await;
        let _ = objects.check_history(&cluster).await;
    }
}

#[tokio::test]
async fn partitions_move_without_a_failed_call_when_nodes_leave_and_come() {
    let mut random =
        seed::random_numbers("partitions_move_without_a_failed_call_when_nodes_leave_and_come");
    let options = ClusterOptions::new().partitions(64).session(Duration::from_secs(10));
    let cluster = Cluster::start(options).await;
    let objects = Objects::journals("moving", 16);
    let met = super::under_patient_load(&cluster, &objects, &mut random, async || {
        for round in 0..iterations(2, 20) {
            let node = cluster.node(usize::try_from(round).unwrap() % 3);
            assert!(node.terminate().await.success());
            objects.more_answers(super::ANSWERS).await;
            node.restart().await;
            cluster.is_whole().await;
        }
    })
    .await;
    assert_eq!(met.given_up, 0, "{met:?}");
    let totals = objects.check_history(&cluster).await;
    assert_eq!(totals.unknown, 0, "{totals:?}");
}
