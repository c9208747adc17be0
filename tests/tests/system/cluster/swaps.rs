//! Revisions that follow each other on a cluster: nobody's call fails, and no object goes back (contract S9).

use std::time::Duration;

use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::load::{Load, Manner};
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::rounds::rounds;
use highlander_tests::{artifacts, seed};
use rand::RngExt as _;
use tokio::time::sleep;

/// A session that a busy machine does not end.
fn options() -> ClusterOptions {
    ClusterOptions::new().session(Duration::from_secs(10))
}

/// Two components of one behaviour, by turns.
fn component(turn: u64) -> Vec<u8> {
    let guest = "journal";
    if turn.is_multiple_of(2) {
        artifacts::variant_bytes(guest, "b")
    } else {
        artifacts::guest_bytes(guest)
    }
}

/// In a soak 24 callers with pauses of 20 ms make about a thousand calls a second.
#[tokio::test]
async fn no_call_fails_while_revisions_alternate_on_a_cluster() {
    let mut random = seed::random_numbers("no_call_fails_while_revisions_alternate_on_a_cluster");
    let cluster = Cluster::start(options()).await;
    let objects = Objects::journals("swapped", usize::try_from(rounds(30, 200)).unwrap());
    let callers = usize::try_from(rounds(8, 24)).unwrap();
    let manner = Manner::of(&cluster, callers).pause(Duration::from_millis(20));
    let load = Load::start(&cluster, &objects, manner, &mut random);
    objects.more_answers(super::ANSWERS).await;
    for turn in 0..rounds(6, 50) {
        let through = random.random_range(0..3);
        let reply = cluster.client(through).upload(component(turn)).await;
        assert_eq!((reply.status, reply.json()["revision"].as_u64()), (201, Some(turn + 2)));
        objects.more_answers(super::ANSWERS).await;
        // Whoever asks from now on is answered by the new one.
        for recorder in objects.recorders().iter().take(3) {
            let client = cluster.client(random.random_range(0..3));
            let read = client.call(recorder.object(), "digest").send().await.done();
            assert_eq!(read.revision(), turn + 2, "{}", recorder.object());
        }
    }
    let met = load.stop().await;
    assert_eq!(met.failed, 0, "{met:?}");
    let totals = objects.judge(&cluster).await;
    assert_eq!((totals.not_executed, totals.unknown), (0, 0), "{totals:?}");
    objects.judge_revisions();
}

/// One wins and the other is told so, or the second one was late enough to follow the first.
#[tokio::test]
async fn of_two_deployments_that_race_one_wins_or_one_follows_the_other() {
    let test = "of_two_deployments_that_race_one_wins_or_one_follows_the_other";
    let mut random = seed::random_numbers(test);
    let cluster = Cluster::start(options()).await;
    let objects = Objects::journals("raced", 6);
    let load = Load::start(&cluster, &objects, Manner::of(&cluster, 4), &mut random);
    objects.more_answers(super::ANSWERS).await;
    let mut newest = 1;
    for round in 0..rounds(6, 100) {
        let wait = Duration::from_millis(random.random_range(0..150));
        let upload = async |node: usize, wait: Duration| {
            sleep(wait).await;
            let wasm = artifacts::variant_bytes("journal", &format!("{round}-{node}"));
            cluster.client(node).upload(wasm).await
        };
        let replies = tokio::join!(upload(0, Duration::ZERO), upload(1, wait));
        let mut taken = Vec::new();
        for reply in [replies.0, replies.1] {
            match reply.status {
                201 => taken.push(reply.json()["revision"].as_u64().expect("a revision")),
                _ => drop(reply.problem("deployment-conflict")),
            }
        }
        taken.sort_unstable();
        let expected: Vec<_> = (newest + 1..).take(taken.len()).collect();
        assert!(!taken.is_empty() && taken == expected, "{taken:?} after {newest}");
        newest += taken.len() as u64;
        cluster.serves("journal", newest).await;
        for index in 0..3 {
            let read = cluster.client(index).call(objects.recorders()[0].object(), "digest");
            assert_eq!(read.send().await.done().revision(), newest, "through {index}");
        }
    }
    let met = load.stop().await;
    assert_eq!(met.failed, 0, "{met:?}");
    let _ = objects.judge(&cluster).await;
    objects.judge_revisions();
}
