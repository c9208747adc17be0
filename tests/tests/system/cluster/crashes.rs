//! Nodes killed with SIGKILL under load (guarantees S1, S6, S7, D1, L1).

use std::time::Duration;

use highlander_services::fault_proxy::Mode;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::history::Outcome;
use highlander_tests::history::record::Record;
use highlander_tests::iterations::iterations;
use highlander_tests::{seed, wait};
use rand::RngExt as _;

#[tokio::test]
async fn the_objects_of_a_killed_node_answer_elsewhere_and_lose_nothing() {
    let mut random =
        seed::random_numbers("the_objects_of_a_killed_node_answer_elsewhere_and_lose_nothing");
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let objects = Objects::journals("killed", 8);
    for round in 0..iterations(4, 50) {
        let victim = random.random_range(0..3);
        super::under_load(&cluster, &objects, &mut random, async || {
            cluster.node(victim).kill9();
            // In every other round the node is back before its old session has expired.
            if round % 2 == 0 {
                let _ = objects.settle(&cluster).await;
            }
            cluster.node(victim).restart().await;
        })
        .await;
        let _ = objects.check_history(&cluster).await;
    }
}

/// The write has taken place, and the owner dies before it receives the response.
#[tokio::test]
async fn a_call_whose_owner_dies_between_write_and_answer_is_told_by_its_key() {
    let cluster = Cluster::start(ClusterOptions::new()).await;
    for round in 0..iterations(2, 20) {
        let objects = Objects::journals(&format!("between-{round}"), 1);
        let recorder = &objects.recorders()[0];
        let owner = cluster.owner_of(recorder.object()).await;
        let other = cluster.client((owner + 1) % 3);
        let first = recorder.change(&other, None).await;
        assert!(matches!(first, Outcome::Done(_)), "{first:?}");
        // Requests reach the store, but responses do not reach the owner.
        cluster.node(owner).links().store.set(Mode::DropResponses);
        let waits = cluster.client(owner);
        let call = recorder.change(&waits, Some("k"));
        let killed = async {
            wait::until("the write has taken place", async || {
                let record = cluster.record(recorder.object()).await.expect("there is one");
                Record::read(&record).unwrap().version == 2
            })
            .await;
            cluster.node(owner).kill9();
            cluster.node(owner).links().store.heal();
        };
        let (outcome, ()) = tokio::join!(call, killed);
        assert_eq!(outcome, Outcome::Unknown);
        wait::until("the first answer", async || {
            let repeat = recorder.change(&other, Some("k")).await;
            matches!(repeat, Outcome::Done(seen) if seen.version == 2)
        })
        .await;
        cluster.node(owner).restart().await;
        let _ = objects.check_history(&cluster).await;
    }
}

#[tokio::test]
async fn nothing_that_was_answered_is_lost_when_all_nodes_die_at_once() {
    let mut random =
        seed::random_numbers("nothing_that_was_answered_is_lost_when_all_nodes_die_at_once");
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let objects = Objects::journals("all", 8);
    for _ in 0..iterations(2, 20) {
        super::under_load(&cluster, &objects, &mut random, async || {
            cluster.nodes().iter().for_each(|node| node.kill9());
            for node in cluster.nodes() {
                node.restart().await;
            }
        })
        .await;
        let _ = objects.check_history(&cluster).await;
    }
}

/// A node that restarts under its name while its old session lives must not trust the old claims.
#[tokio::test]
async fn a_node_that_comes_back_under_its_name_is_another_one() {
    let cluster = Cluster::start(ClusterOptions::new().session(Duration::from_secs(4))).await;
    let objects = Objects::new(cluster.objects_on(1, "journal", 4).await);
    let client = cluster.client(0);
    for recorder in objects.recorders() {
        let outcome = recorder.change(&client, None).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }
    cluster.node(1).kill9();
    cluster.node(1).restart().await;
    let _ = objects.check_history(&cluster).await;
    for recorder in objects.recorders() {
        let calls = recorder.calls();
        let makers: Vec<_> = calls.iter().filter_map(|call| call.maker.as_ref()).collect();
        assert_ne!(makers.first(), makers.last(), "another owner, with another id");
    }
}
