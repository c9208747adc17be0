//! Nodes that die, freeze or are cut off while a revision spreads: it arrives all the same, and no object goes back.

use std::time::Duration;

use highlander_services::link::Mode;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::load::{Load, Manner};
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::rounds::rounds;
use highlander_tests::{artifacts, seed, wait};

/// When a node dies.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Uploaded,
    Preparing,
    Rolling,
    Watching,
}

const MOMENTS: [Moment; 4] =
    [Moment::Uploaded, Moment::Preparing, Moment::Rolling, Moment::Watching];

/// The node that moved the last roll-out on.
fn steward(cluster: &Cluster) -> usize {
    let has_led = |index: &usize| {
        cluster.node(*index).log().iter().any(|line| line.contains("the roll-out goes on"))
    };
    // Which node it is is not said anywhere else; without it the test is weaker, and not wrong.
    (0..3).find(has_led).unwrap_or(0)
}

/// Returns when a roll-out has come so far.
async fn is_at(cluster: &Cluster, observer: usize, moment: Moment) {
    let stages: &[&str] = match moment {
        Moment::Uploaded => return,
        Moment::Preparing => &["preparing"],
        Moment::Rolling => &["rolling", "watching"],
        Moment::Watching => &["watching"],
    };
    wait::until(&format!("{moment:?}"), async || {
        let stage = cluster.stage(observer, "journal").await;
        stage.is_some_and(|stage| stages.contains(&stage.as_str()))
    })
    .await;
}

/// In every other round the node is the one that moves the roll-out on, and in others it is back before its session
/// is over.
#[tokio::test]
async fn a_revision_arrives_whichever_node_dies_while_it_spreads() {
    let test = "a_revision_arrives_whichever_node_dies_while_it_spreads";
    let mut random = seed::random_numbers(test);
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let objects = Objects::journals("deployed", 12);
    for round in 0..rounds(4, 48) {
        let moment = MOMENTS[usize::try_from(round % 4).unwrap()];
        let component = |name: &str| artifacts::variant_bytes("journal", &format!("{round}{name}"));
        let reply = cluster.client(0).upload(component("before")).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let steward = steward(&cluster);
        let victim = if (round / 2) % 2 == 0 { steward } else { (steward + 1) % 3 };
        let (observer, slow) = ((victim + 1) % 3, (victim + 2) % 3);
        let load = Load::start(&cluster, &objects, Manner::of(&cluster, 3), &mut random);
        let mut revision = 0;
        let met = super::under_patient_load(&cluster, &objects, &mut random, async || {
            if matches!(moment, Moment::Preparing) {
                // It cannot fetch the component, so that the others wait for it.
                cluster.node(slow).links().store.set(Mode::Delay(Duration::from_millis(200)));
            }
            let upload = cluster.client(victim).upload_on("wait=false", component("after")).await;
            assert_eq!(upload.status, 202, "{}", upload.text());
            revision = upload.json()["revision"].as_u64().expect("a revision");
            is_at(&cluster, observer, moment).await;
            cluster.node(victim).kill9();
            cluster.node(slow).links().heal();
            eprintln!("round {round}: node {victim} of steward {steward} died at {moment:?}");
            if round % 2 == 0 {
                cluster.serves("journal", revision).await;
            }
            cluster.node(victim).restart().await;
        })
        .await;
        let _ = load.stop().await;
        assert_eq!(met.given_up, 0, "{met:?}");
        cluster.is_whole().await;
        cluster.serves("journal", revision).await;
    }
    let _ = objects.judge(&cluster).await;
    objects.judge_revisions();
}

/// While a node is away a revision is deployed through another one; when that is everywhere, nobody answers with the
/// old one any more, neither for objects that are there nor for new ones.
async fn check_catches_up(test: &str, away: impl Fn(&Cluster), back: impl Fn(&Cluster)) {
    let mut random = seed::random_numbers(test);
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let objects = Objects::new(cluster.objects_on(0, "journal", 6).await);
    for round in 0..rounds(2, 40) {
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
    let _ = objects.judge(&cluster).await;
    objects.judge_revisions();
}

/// Calls new objects through the node that was away until it has answered some of them itself.
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
