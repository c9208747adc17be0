//! Nodes that leave in order: nobody's call fails (contract L2).

use std::time::Duration;

use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::load::{Load, Manner};
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::rounds::rounds;
use highlander_tests::{command, seed, wait};

/// A session that a busy machine does not end.
fn options() -> ClusterOptions {
    ClusterOptions::new().session(Duration::from_secs(10))
}

#[tokio::test]
async fn no_call_of_a_patient_client_fails_while_all_nodes_are_restarted() {
    let mut random =
        seed::random_numbers("no_call_of_a_patient_client_fails_while_all_nodes_are_restarted");
    let cluster = Cluster::start(options()).await;
    let objects = Objects::journals("rolling", 12);
    for _ in 0..rounds(1, 10) {
        let met = super::under_patient_load(&cluster, &objects, &mut random, async || {
            for node in cluster.nodes() {
                let status = node.terminate().await;
                assert!(status.success(), "{status}");
                node.restart().await;
                cluster.is_whole().await;
            }
        })
        .await;
        eprintln!("all nodes restarted: {met:?}");
        assert_eq!(met.given_up, 0);
        let totals = objects.judge(&cluster).await;
        assert_eq!(totals.unknown, 0, "whoever left in order owed no answer: {totals:?}");
    }
}

/// Callers who repeat nothing, through the nodes that stay.
#[tokio::test]
async fn no_call_fails_while_a_node_hands_its_objects_over() {
    let mut random = seed::random_numbers("no_call_fails_while_a_node_hands_its_objects_over");
    let cluster = Cluster::start(options()).await;
    let count = usize::try_from(rounds(150, 1_000)).unwrap();
    let objects = Objects::journals("handed-over", count * 3);
    let _ = objects.settle(&cluster).await;
    let manner = Manner::of(&cluster, super::CALLERS).through(&[1, 2]);
    let load =
        Load::start(&cluster, &objects, manner.pause(Duration::from_millis(30)), &mut random);
    objects.more_answers(super::ANSWERS).await;
    let active = cluster.client(0).metric("highlander_active_objects").await;
    assert!(active > 0.0, "the node has something to hand over");
    let url = cluster.node(1).url();
    let drained = command::highlander().url(&url).run(&["drain", "n0"]).await.done();
    eprintln!("{active} objects handed over: {} {}", drained.stdout.trim(), drained.stderr.trim());
    let client = cluster.client(0);
    wait::until("nothing is left there", async || {
        client.metric("highlander_active_objects").await == 0.0
    })
    .await;
    objects.more_answers(super::ANSWERS).await;
    let met = load.stop().await;
    assert_eq!(met.failed, 0, "{met:?}");
    cluster.node(0).kill9();
    let totals = objects.judge(&cluster).await;
    assert_eq!((totals.not_executed, totals.unknown), (0, 0), "{totals:?}");
}
