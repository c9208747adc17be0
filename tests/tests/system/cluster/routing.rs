//! Nodes with an outdated cache of owners.

use std::time::Duration;

use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::history::Outcome;
use highlander_tests::iterations::iterations;
use highlander_tests::seed;

/// Every node has cached the owner of the objects; then the owner leaves, and restarts with a new session.
#[tokio::test]
async fn a_node_that_knows_a_former_owner_finds_the_present_one() {
    let options = ClusterOptions::new().session(Duration::from_secs(10));
    let cluster = Cluster::start(options).await;
    let objects = Objects::journals("moved", 8);
    for _ in 0..iterations(2, 20) {
        for victim in 0..3 {
            call_all(&cluster, &objects, &[0, 1, 2]).await;
            assert!(cluster.node(victim).terminate().await.success());
            call_all(&cluster, &objects, &cluster.others(victim)).await;
            cluster.node(victim).restart().await;
            cluster.is_whole().await;
            call_all(&cluster, &objects, &[victim]).await;
        }
    }
    let _ = objects.check_history(&cluster).await;
}

async fn call_all(cluster: &Cluster, objects: &Objects, nodes: &[usize]) {
    for node in nodes {
        let client = cluster.client(*node);
        for recorder in objects.recorders() {
            let outcome = recorder.change(&client, None).await;
            assert!(matches!(outcome, Outcome::Done(_)), "through {node}: {outcome:?}");
        }
    }
}

/// Two nodes that each take the other for the owner must not forward a call back and forth.
#[tokio::test]
async fn calls_do_not_go_in_circles_while_nodes_come_and_go() {
    let mut random = seed::random_numbers("calls_do_not_go_in_circles_while_nodes_come_and_go");
    let options = ClusterOptions::new().session(Duration::from_secs(10));
    let cluster = Cluster::start(options).await;
    let objects = Objects::journals("circles", 8);
    let met = super::under_patient_load(&cluster, &objects, &mut random, async || {
        for round in 0..iterations(4, 40) {
            let victim = usize::try_from(round).unwrap() % 3;
            for recorder in objects.recorders() {
                let client = cluster.client((victim + 1) % 3);
                let _ = client.call(recorder.object(), "deactivate").send().await;
            }
            assert!(cluster.node(victim).terminate().await.success());
            objects.more_answers(20).await;
            cluster.node(victim).restart().await;
        }
    })
    .await;
    assert_eq!(met.given_up, 0, "{met:?}");
    let _ = objects.check_history(&cluster).await;
}
