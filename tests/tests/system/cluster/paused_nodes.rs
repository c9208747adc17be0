//! Nodes that are paused for a while and then continue unaware (guarantees S2, S4, L1).

use std::time::Duration;

use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::iterations::iterations;
use highlander_tests::seed;
use rand::RngExt as _;
use tokio::time::sleep;

/// Its callers keep waiting, so that they observe any response that it sends after it resumes.
#[tokio::test]
async fn an_owner_that_was_frozen_past_its_session_answers_nothing_stale() {
    let mut random =
        seed::random_numbers("an_owner_that_was_frozen_past_its_session_answers_nothing_stale");
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let objects = Objects::journals("frozen", 8);
    let timeout = cluster.options().session_timeout;
    for round in 0..iterations(5, 100) {
        let victim = random.random_range(0..3);
        let frozen = timeout.mul_f64(random.random_range(1.3..1.8));
        super::under_load(&cluster, &objects, &mut random, async || {
            cluster.node(victim).freeze();
            sleep(frozen).await;
            cluster.node(victim).thaw();
        })
        .await;
        if round % 5 == 4 {
            let _ = objects.check_history(&cluster).await;
        }
        cluster.is_whole().await;
    }
    let _ = objects.check_history(&cluster).await;
}

/// Paused repeatedly around the end of its lease, the critical moment.
#[tokio::test]
async fn an_owner_that_was_frozen_around_the_end_of_its_lease_answers_nothing_stale() {
    let mut random = seed::random_numbers(
        "an_owner_that_was_frozen_around_the_end_of_its_lease_answers_nothing_stale",
    );
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let objects = Objects::journals("around", 8);
    let timeout = cluster.options().session_timeout;
    for _ in 0..iterations(6, 100) {
        let victim = random.random_range(0..3);
        let frozen = timeout.mul_f64(random.random_range(0.6..1.3));
        super::under_load(&cluster, &objects, &mut random, async || {
            cluster.node(victim).freeze();
            sleep(frozen).await;
            cluster.node(victim).thaw();
        })
        .await;
    }
    let _ = objects.check_history(&cluster).await;
}

#[tokio::test]
async fn a_freeze_within_the_lease_is_nothing_but_latency() {
    let mut random = seed::random_numbers("a_freeze_within_the_lease_is_nothing_but_latency");
    let options = ClusterOptions::new().session(Duration::from_secs(10));
    let cluster = Cluster::start(options).await;
    let objects = Objects::journals("brief", 8);
    let sessions = sessions(&cluster).await;
    for victim in 0..3 {
        super::under_load(&cluster, &objects, &mut random, async || {
            cluster.node(victim).freeze();
            sleep(Duration::from_millis(1_500)).await;
            cluster.node(victim).thaw();
        })
        .await;
    }
    let totals = objects.check_history(&cluster).await;
    assert_eq!((totals.not_executed, totals.unknown), (0, 0), "{totals:?}");
    assert_eq!(self::sessions(&cluster).await, sessions, "a session ended");
}

/// Returns the ids of all nodes, which identify their sessions.
async fn sessions(cluster: &Cluster) -> Vec<String> {
    let nodes = cluster.client(0).get("/v1/nodes").send().await.done().json();
    let nodes = nodes["nodes"].as_array().expect("a list").clone();
    let mut ids: Vec<_> =
        nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids
}
