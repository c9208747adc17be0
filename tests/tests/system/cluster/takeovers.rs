//! Time for which the objects of a lost node are unavailable (guarantee L1).
//!
//! The times are printed, but only a bound far above them is asserted, because test machines are busy.

use std::time::Duration;

use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::history::Outcome;
use highlander_tests::iterations::{is_soak, iterations};
use tokio::time::{Instant, sleep};

/// Kind of the loss of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Killed,
    Frozen,
}

async fn check(loss: Loss) {
    let timeouts: &[u64] = if is_soak() { &[4, 6] } else { &[2] };
    for seconds in timeouts {
        let timeout = Duration::from_secs(*seconds);
        let cluster = Cluster::start(ClusterOptions::new().session(timeout)).await;
        let mut times = Vec::new();
        for round in 0..iterations(3, 50) {
            times.push(take_over(&cluster, loss, round).await);
        }
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1];
        eprintln!(
            "{loss:?}, session timeout {timeout:?}, {} rounds: p50 {:?}, p99 {:?}",
            times.len(),
            at(50),
            at(99)
        );
        assert!(at(99) < timeout + Duration::from_secs(15), "{times:?}");
    }
}

/// Returns the time from the loss of an owner until another node has changed its object.
async fn take_over(cluster: &Cluster, loss: Loss, round: u64) -> Duration {
    let objects = Objects::journals(&format!("{loss:?}-{round}").to_lowercase(), 1);
    let recorder = &objects.recorders()[0];
    let owner = cluster.owner_of(recorder.object()).await;
    let other = cluster.client((owner + 1) % 3);
    let first = recorder.change(&other, None).await;
    assert!(matches!(first, Outcome::Done(_)), "{first:?}");
    let node = cluster.node(owner);
    match loss {
        Loss::Killed => node.kill9(),
        Loss::Frozen => node.freeze(),
    }
    let begun = Instant::now();
    let mut attempt = 0;
    loop {
        attempt += 1;
        // Bounds the time for which a paused node may delay its callers.
        let outcome = recorder.change_within(&other, &format!("k{attempt}"), "500ms").await;
        if matches!(outcome, Outcome::Done(_)) {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    let took = begun.elapsed();
    match loss {
        Loss::Killed => node.restart().await,
        Loss::Frozen => node.thaw(),
    }
    cluster.is_whole().await;
    let _ = objects.check_history(cluster).await;
    took
}

#[tokio::test]
async fn the_objects_of_a_killed_node_answer_again_soon() {
    check(Loss::Killed).await;
}

#[tokio::test]
async fn the_objects_of_a_frozen_node_answer_again_soon() {
    check(Loss::Frozen).await;
}
