//! A store with every kind of permitted failure (guarantees S1, S6, S7, D2).
//!
//! Each fault is limited to the blobs of its own test and to a number of requests, so one cluster serves all
//! tests.

use std::sync::Arc;

use highlander_s3_server::faults::{Fault, Operation, Rule};
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::objects::{Objects, Totals};
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::cluster::shared::Shared;
use highlander_tests::iterations::iterations;
use highlander_tests::seed;
use rand::RngExt as _;

static SHARED: Shared = Shared::new();

async fn cluster() -> Arc<Cluster> {
    let options = || ClusterOptions::new().with("store.request_timeout", "1s");
    SHARED.get(options).await
}

/// Calls objects under these faults. Objects are deactivated repeatedly, so that records are read as well.
async fn check(test: &str, name: &str, rules: impl IntoIterator<Item = Rule>) -> Totals {
    let mut random = seed::random_numbers(test);
    let cluster = cluster().await;
    let objects = Objects::journals(name, 4);
    for rule in rules {
        cluster.faults().add(rule.key_with(&format!("/{name}-")));
    }
    for _ in 0..iterations(3, 60) {
        let (object, node) = (random.random_range(0..4_usize), random.random_range(0..3_usize));
        super::under_load(&cluster, &objects, &mut random, async || {
            let object = objects.recorders()[object].object();
            let _ = cluster.client(node).call(object, "deactivate").send().await;
        })
        .await;
    }
    objects.check_history(&cluster).await
}

#[tokio::test]
async fn bursts_of_errors_are_ridden_out() {
    let count = iterations(100, 2_000);
    let rules = [
        Rule::new(Fault::Refuse(503, "SlowDown")).with_chance(0.3).times(count),
        Rule::new(Fault::Refuse(500, "InternalError")).with_chance(0.2).times(count),
        Rule::new(Fault::RefuseAfter(500, "InternalError")).with_chance(0.2).times(count),
        Rule::new(Fault::Garbage).on(Operation::Put).with_chance(0.1).times(count),
    ];
    let _ = check("bursts_of_errors_are_ridden_out", "burst", rules).await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_found_again() {
    let lost = Rule::new(Fault::LoseAnswer).on(Operation::Put).with_chance(0.2);
    let totals =
        check("a_write_whose_answer_is_lost_is_found_again", "lost", [lost.times(500)]).await;
    assert_eq!(totals.unknown, 0, "the store shows which write it has: {totals:?}");
}

#[tokio::test]
async fn a_write_that_never_arrived_is_sent_again() {
    let lost = Rule::new(Fault::LoseRequest).on(Operation::Put).with_chance(0.2);
    let totals =
        check("a_write_that_never_arrived_is_sent_again", "never", [lost.times(500)]).await;
    assert_eq!(totals.unknown, 0, "{totals:?}");
}

#[tokio::test]
async fn a_conflict_is_no_refusal() {
    let conflict = Fault::Refuse(409, "ConditionalRequestConflict");
    let conflict = Rule::new(conflict).on(Operation::Put).with_chance(0.3).times(500);
    let totals = check("a_conflict_is_no_refusal", "conflict", [conflict]).await;
    assert_eq!(totals.unknown, 0, "{totals:?}");
}

#[tokio::test]
async fn what_is_read_wrongly_is_never_served() {
    let rule = |fault| Rule::new(fault).on(Operation::Get).with_chance(0.15).times(20);
    let rules = [
        rule(Fault::FlipBit(137)),
        rule(Fault::Shorten(100)),
        rule(Fault::Truncate(60)),
        rule(Fault::Garbage),
        rule(Fault::WrongETag),
        rule(Fault::NoETag),
    ];
    let _ = check("what_is_read_wrongly_is_never_served", "wrong", rules).await;
}

/// A node cannot detect that a record is outdated. It may then serve the old state, which S3's consistency rules
/// out, but can never change it: the histories of callers that only write stay correct.
#[tokio::test]
async fn a_record_that_is_not_the_newest_is_never_built_on() {
    let mut random = seed::random_numbers("a_record_that_is_not_the_newest_is_never_built_on");
    let cluster = cluster().await;
    let objects = Objects::journals("stale", 4);
    let count = iterations(20, 200);
    let stale = Rule::new(Fault::Stale).on(Operation::Get).key_with("/stale-").with_chance(0.5);
    cluster.faults().add(stale.times(count));
    let met = super::under_patient_load(&cluster, &objects, &mut random, async || {
        for recorder in objects.recorders().iter().cycle().take(usize::try_from(count).unwrap()) {
            let _ = cluster.client(0).call(recorder.object(), "deactivate").send().await;
            objects.more_answers(5).await;
        }
    })
    .await;
    assert_eq!(met.given_up, 0, "{met:?}");
    // The final check must read the newest record.
    cluster.faults().remove("/stale-");
    let _ = objects.check_history(&cluster).await;
}
