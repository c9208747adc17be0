//! Successive revisions on a cluster: no call fails, and no object goes back (guarantee S9).

use std::time::Duration;

use futures_util::future::join_all;
use highlander_s3_server::faults::{Fault, Operation, Rule};
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::load::{Load, Manner};
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::iterations::iterations;
use highlander_tests::{artifacts, seed, wait};
use rand::RngExt as _;
use tokio::time::{Instant, sleep};

/// Uses a session timeout that a busy machine does not exceed.
fn options() -> ClusterOptions {
    ClusterOptions::new().session(Duration::from_secs(10))
}

/// Returns one of two components with the same behaviour, alternately.
fn component(turn: u64) -> Vec<u8> {
    let guest = "journal";
    if turn.is_multiple_of(2) {
        artifacts::variant_bytes(guest, "b")
    } else {
        artifacts::guest_bytes(guest)
    }
}

/// A soak makes a thousand calls per second on two hundred objects; the test prints the rate that it reached.
#[tokio::test]
async fn no_call_fails_while_revisions_alternate_on_a_cluster() {
    let mut random = seed::random_numbers("no_call_fails_while_revisions_alternate_on_a_cluster");
    let cluster = Cluster::start(options()).await;
    let objects = Objects::journals("swapped", usize::try_from(iterations(30, 200)).unwrap());
    let callers = usize::try_from(iterations(8, 64)).unwrap();
    let rate = u32::try_from(iterations(200, 1_000)).unwrap();
    let load =
        Load::start(&cluster, &objects, Manner::of(&cluster, callers).rate(rate), &mut random);
    let began = Instant::now();
    objects.more_answers(super::ANSWERS).await;
    let swap_count = iterations(6, 50);
    for turn in 0..swap_count {
        let through = random.random_range(0..3);
        let reply = cluster.client(through).upload(component(turn)).await;
        assert_eq!((reply.status, reply.json()["revision"].as_u64()), (201, Some(turn + 2)));
        objects.more_answers(super::ANSWERS).await;
        // From now on every call runs the new revision.
        for recorder in objects.recorders().iter().take(3) {
            let client = cluster.client(random.random_range(0..3));
            let read = client.call(recorder.object(), "digest").send().await.done();
            assert_eq!(read.revision(), turn + 2, "{}", recorder.object());
        }
    }
    let met = load.stop().await;
    let (answered, took) = (objects.answered_count(), began.elapsed());
    let reached = answered as f64 / took.as_secs_f64();
    eprintln!(
        "{swap_count} swaps in {took:.1?}: {answered} calls, {reached:.0} a second of {rate}; {met:?}"
    );
    assert_eq!(met.failed, 0, "{met:?}");
    let totals = objects.check_history(&cluster).await;
    assert_eq!((totals.not_executed, totals.unknown), (0, 0), "{totals:?}");
    objects.judge_revisions();
}

/// Both deployments have read the type's record before either writes it: one wins, and the other receives a
/// conflict.
#[tokio::test]
async fn of_two_deployments_at_the_same_moment_one_wins_and_the_other_is_told_so() {
    let cluster = Cluster::start(options()).await;
    let client = cluster.client(2);
    for round in 0..iterations(6, 100) {
        let faults = cluster.faults();
        faults.add(Rule::new(Fault::Hold).on(Operation::Put).key_with("types/journal"));
        let uploads = [0, 1].map(|node| {
            let wasm = artifacts::variant_bytes("journal", &format!("{round}-{node}"));
            let client = cluster.client(node);
            tokio::spawn(async move { client.upload_on("wait=false", wasm).await })
        });
        wait::within("both writes are held", faults.wait_for_held(2)).await;
        faults.release();
        // The rule holds the write that would advance the winner's roll-out, so that the loser finds it open.
        let [first, second] = join_all(uploads).await.try_into().unwrap();
        let replies = [first.unwrap(), second.unwrap()];
        let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 202);
        assert_eq!((won.len(), lost.len()), (1, 1), "{replies:?}");
        assert_eq!(won[0].json()["revision"], round + 2);
        lost[0].problem("deployment-conflict");
        faults.clear();
        cluster.serves("journal", round + 2).await;
        let shown = client.get("/v1/types/journal").send().await.done().json();
        let revisions = shown["revisions"].as_array().expect("a list");
        let last = revisions.last().expect("the winner's revision");
        assert_eq!(
            (revisions.len() as u64, &last["digest"]),
            (round + 2, &won[0].json()["digest"])
        );
    }
}

/// Either one wins and the other receives a conflict, or the second one is late enough to follow the first.
#[tokio::test]
async fn of_two_deployments_that_race_one_wins_or_one_follows_the_other() {
    let test = "of_two_deployments_that_race_one_wins_or_one_follows_the_other";
    let mut random = seed::random_numbers(test);
    let cluster = Cluster::start(options()).await;
    let objects = Objects::journals("raced", 6);
    let load = Load::start(&cluster, &objects, Manner::of(&cluster, 4), &mut random);
    objects.more_answers(super::ANSWERS).await;
    let mut newest = 1;
    for round in 0..iterations(6, 100) {
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
    let _ = objects.check_history(&cluster).await;
    objects.judge_revisions();
}
