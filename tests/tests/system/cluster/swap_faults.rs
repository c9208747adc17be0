//! Nodes that are paused or partitioned during a roll-out: the revision still arrives, and no object goes back.

use highlander_services::fault_proxy::Mode;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::load::{Load, Manner};
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::iterations::iterations;
use highlander_tests::{artifacts, seed, wait};

/// Deploys a revision through another node while a node is away. Once it is everywhere, no node may run the old
/// one, neither for existing objects nor for new ones.
async fn check_catches_up(test: &str, away: impl Fn(&Cluster), back: impl Fn(&Cluster)) {
    let mut random = seed::random_numbers(test);
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let objects = Objects::new(cluster.objects_on(0, "journal", 6).await);
    for round in 0..iterations(2, 40) {
        let load = Load::start(&cluster, &objects, Manner::of(&cluster, 4), &mut random);
        objects.more_answers(super::ANSWERS).await;
        away(&cluster);
        let wasm = artifacts::variant_bytes("journal", &format!("away-{round}"));
        let reply = cluster.client(1).upload(wasm).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let revision = reply.json()["revision"].as_u64().expect("a revision");
        back(&cluster);
        let answered_count = answers_are_by(&cluster, revision, round).await;
        eprintln!("round {round}: the node answered {answered_count} calls of its own");
        let _ = load.stop().await;
        cluster.is_whole().await;
        cluster.serves("journal", revision).await;
    }
    let _ = objects.check_history(&cluster).await;
    objects.judge_revisions();
}

/// Calls new objects through the node that was away until it has executed some of the calls itself.
async fn answers_are_by(cluster: &Cluster, revision: u64, round: u64) -> usize {
    let client = cluster.client(0);
    let mut own_count = 0;
    let mut number = 0;
    wait::until("the node owns objects again", async || {
        number += 1;
        let object = format!("journal/new-{round}-{number}");
        let call = client.call(&object, "digest").header("highlander-timeout", "1s");
        if let Ok(reply) = call.try_send().await
            && reply.status == 200
        {
            assert_eq!(reply.revision(), revision, "{object} of {}", reply.owner());
            own_count += usize::from(cluster.node(0).is_called(reply.owner()));
        }
        own_count >= 5
    })
    .await;
    own_count
}

#[tokio::test]
async fn a_node_that_was_cut_off_while_a_revision_spread_never_answers_with_the_old_one() {
    let test = "a_node_that_was_cut_off_while_a_revision_spread_never_answers_with_the_old_one";
    let away = |cluster: &Cluster| cluster.node(0).links().set_zookeeper(Mode::Cut);
    check_catches_up(test, away, |cluster| cluster.node(0).links().heal()).await;
}

#[tokio::test]
async fn a_node_that_was_frozen_while_a_revision_spread_never_answers_with_the_old_one() {
    let test = "a_node_that_was_frozen_while_a_revision_spread_never_answers_with_the_old_one";
    check_catches_up(test, |cluster| cluster.node(0).freeze(), |cluster| cluster.node(0).thaw())
        .await;
}
