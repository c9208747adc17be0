//! A slow store, with delays far past the end of the writer's session (guarantees S1, S2, S4, S6).

use std::time::Duration;

use futures_util::future::join_all;
use highlander_s3_server::faults::{Fault, Operation, Rule};
use highlander_tests::client::Client;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::load::{Load, Manner};
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::history::Outcome;
use highlander_tests::history::recorder::Recorder;
use highlander_tests::iterations::{is_soak, iterations};
use highlander_tests::{seed, wait};
use tokio::time::sleep;

/// Actions of the new owner before the former owner's write lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    /// It has read its object, and responds from memory.
    Read,
    /// It has changed its object, so that the late write fails its precondition.
    Changed,
    /// It has read its object, and serves a strict read as soon as the write has landed.
    AskedStrictly,
}

/// The new owner does not see the former owner's write until its own write fails its precondition.
#[tokio::test]
async fn a_write_that_lands_after_the_takeover_becomes_part_of_the_one_history() {
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let meanwhile = [Meanwhile::AskedStrictly, Meanwhile::Changed, Meanwhile::Read];
    for (round, meanwhile) in (0..iterations(3, 12)).zip(meanwhile.into_iter().cycle()) {
        land_late(&cluster, &format!("late-{round}"), meanwhile).await;
    }
}

async fn land_late(cluster: &Cluster, name: &str, meanwhile: Meanwhile) {
    let timeout = cluster.options().session_timeout;
    let held_for = if is_soak() { Duration::from_secs(30) } else { timeout.mul_f64(1.5) };
    let objects = Objects::journals(name, 1);
    let recorder = &objects.recorders()[0];
    let owner = cluster.owner_of(recorder.object()).await;
    let other = cluster.client((owner + 1) % 3);
    must_change(recorder, &other).await;
    let held = Rule::new(Fault::Hold).on(Operation::Put).key_with(&format!("/{name}-"));
    cluster.faults().add(held.times(1));
    let writes = cluster.client(owner);
    let write = async {
        let outcome = recorder.change(&writes, None).await;
        // Whatever the outcome, later reads must not observe an older version.
        let _ = recorder.read(&other).await;
        outcome
    };
    let takeover = async {
        cluster.faults().wait_for_held(1).await;
        cluster.node(owner).freeze();
        wait::until("another node reads", async || {
            let outcome = recorder.read(&other).await;
            matches!(outcome, Outcome::Done(seen) if seen.version == 1)
        })
        .await;
        if meanwhile == Meanwhile::Changed {
            must_change(recorder, &other).await;
        }
        sleep(held_for).await;
        cluster.faults().release();
        if meanwhile == Meanwhile::AskedStrictly {
            wait::until("a strict read returns the write", async || {
                let outcome = recorder.read_strictly(&other).await;
                matches!(outcome, Outcome::Done(seen) if seen.version == 2)
            })
            .await;
            must_change(recorder, &other).await;
        }
        cluster.node(owner).thaw();
    };
    let (outcome, ()) = tokio::join!(write, takeover);
    eprintln!("{meanwhile:?}: the former owner's caller got {outcome:?}");
    must_change(recorder, &other).await;
    cluster.is_whole().await;
    let _ = objects.check_history(cluster).await;
}

async fn must_change(recorder: &Recorder, client: &Client) {
    wait::until("the object can be changed", async || {
        matches!(recorder.change(client, None).await, Outcome::Done(_))
    })
    .await;
}

/// Random writes are held under load; some land after their owner is gone.
#[tokio::test]
async fn held_writes_and_lost_owners_together_lose_nothing() {
    let mut random = seed::random_numbers("held_writes_and_lost_owners_together_lose_nothing");
    let cluster = Cluster::start(ClusterOptions::new().with("store.request_timeout", "1s")).await;
    let objects = Objects::journals("held", 6);
    for round in 0..iterations(3, 50) {
        let held = Fault::HoldFor(cluster.options().session_timeout.mul_f64(1.5));
        let held = Rule::new(held).on(Operation::Put).key_with("/held-").with_chance(0.2);
        cluster.faults().add(held.times(6));
        let victim = usize::try_from(round).unwrap() % 3;
        super::under_load(&cluster, &objects, &mut random, async || {
            cluster.node(victim).kill9();
            let _ = objects.settle(&cluster).await;
            cluster.node(victim).restart().await;
        })
        .await;
    }
    let _ = objects.check_history(&cluster).await;
}

#[tokio::test]
async fn one_slow_blob_delays_its_own_object_only() {
    let mut random = seed::random_numbers("one_slow_blob_delays_its_own_object_only");
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let slow = Objects::journals("slow", 1);
    let _ = slow.settle(&cluster).await;
    let version = slow.recorders()[0].audit(&cluster.client(0)).await.version;
    let others = Objects::journals("quick", 6);
    let delay = Rule::new(Fault::Delay(Duration::from_secs(3))).key_with("/slow-");
    cluster.faults().add(delay.on(Operation::Put).times(iterations(3, 30)));
    let load = Load::start(&cluster, &others, Manner::of(&cluster, super::CALLERS), &mut random);
    let client = cluster.client(0);
    for number in 0..iterations(3, 30) {
        let key = number.to_string();
        let call = client.call(slow.recorders()[0].object(), "digest");
        let before = others.answered_count();
        let short = slow.recorders()[0].change_within(&client, &key, "300ms");
        let (outcome, ()) = tokio::join!(short, others.more_answers(super::ANSWERS));
        assert_eq!(outcome, Outcome::Unknown, "the commit must continue without its caller");
        assert!(others.answered_count() > before);
        let _ = call.send().await;
    }
    let met = load.stop().await;
    assert_eq!(met.failed, 0, "calls of other objects failed");
    let totals = others.check_history(&cluster).await;
    assert_eq!((totals.not_executed, totals.unknown), (0, 0), "{totals:?}");
    let all = join_all(slow.recorders().iter().map(|recorder| recorder.audit(&client))).await;
    assert_eq!(all[0].version, version + iterations(3, 30), "a commit was abandoned");
    let _ = slow.check_history(&cluster).await;
}
