//! Ensembles of three servers that lose their leader or their majority, and a follower that loses its leader
//! (guarantees S4, L5, N1).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use highlander_services::fault_proxy::{FaultProxy, Mode};
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::cluster::{Cluster, runtime};
use highlander_tests::history::Outcome;
use highlander_tests::iterations::iterations;
use highlander_tests::{seed, wait};
use parking_lot::Mutex;
use tokio::time::sleep;

async fn leader(cluster: &Cluster) -> usize {
    cluster
        .with_ensemble(|ensemble| {
            loop {
                if let Some(leader) = ensemble.leader() {
                    return leader;
                }
            }
        })
        .await
}

#[tokio::test]
async fn sessions_outlive_the_leader_of_the_ensemble() {
    let mut random = seed::random_numbers("sessions_outlive_the_leader_of_the_ensemble");
    let options = ClusterOptions::with_three_servers().session(Duration::from_secs(8));
    let cluster = Cluster::start(options).await;
    let objects = Objects::journals("leader", 8);
    for _ in 0..iterations(2, 20) {
        super::under_load(&cluster, &objects, &mut random, async || {
            let first = leader(&cluster).await;
            cluster.with_ensemble(move |ensemble| ensemble.kill(first)).await;
            assert_ne!(leader(&cluster).await, first);
            objects.more_answers(super::ANSWERS).await;
            cluster.with_ensemble(move |ensemble| ensemble.restart(first)).await;
        })
        .await;
        let _ = objects.check_history(&cluster).await;
    }
    objects.have_one_owner();
}

#[tokio::test]
async fn objects_stop_without_a_majority_and_answer_again_with_it() {
    let mut random =
        seed::random_numbers("objects_stop_without_a_majority_and_answer_again_with_it");
    let options = ClusterOptions::with_three_servers().with("objects.call_timeout", "2s");
    let cluster = Cluster::start(options).await;
    let objects = Objects::journals("majority", 8);
    super::under_load(&cluster, &objects, &mut random, async || {
        cluster
            .with_ensemble(|ensemble| {
                ensemble.kill(0);
                ensemble.kill(1);
            })
            .await;
        for recorder in objects.recorders() {
            wait::until("no node answers", async || {
                let outcome = recorder.read(&cluster.client(2)).await;
                !matches!(outcome, Outcome::Done(_))
            })
            .await;
        }
        sleep(Duration::from_secs(iterations(3, 60))).await;
        for recorder in objects.recorders() {
            let outcome = recorder.change(&cluster.client(0), None).await;
            assert_eq!(outcome, Outcome::NotExecuted);
        }
        cluster
            .with_ensemble(|ensemble| {
                ensemble.restart(0);
                ensemble.restart(1);
            })
            .await;
        let _ = objects.settle(&cluster).await;
    })
    .await;
    let _ = objects.check_history(&cluster).await;
}

type Ways = Arc<Mutex<BTreeMap<(usize, usize), FaultProxy>>>;

/// The owner is connected to a follower that still answers pings and reads. The leader receives neither of them,
/// expires the owner's session, and lets another node claim its objects.
#[tokio::test]
async fn an_owner_whose_server_lost_its_leader_stops_before_anybody_else_begins() {
    let mut random = seed::random_numbers(
        "an_owner_whose_server_lost_its_leader_stops_before_anybody_else_begins",
    );
    let ways = Ways::default();
    let known = Arc::clone(&ways);
    let options = ClusterOptions {
        // Far longer than a session, so that the follower still serves after the leader has expired the session.
        sync_limit: 30,
        route: Some(Arc::new(move |from, to, address: String| {
            let link = runtime::link_from_blocking(address.parse().expect("an address"));
            let address = link.address().to_string();
            known.lock().insert((from, to), link);
            address
        })),
        ..ClusterOptions::with_three_servers()
    };
    let cluster = Cluster::start(options).await;
    let objects = Objects::new(cluster.objects_on(0, "journal", 4).await);
    for _ in 0..iterations(1, 20) {
        let leader = leader(&cluster).await;
        let follower = (leader + 1) % 3;
        // The first node can reach only this follower.
        let links = &cluster.node(0).links().zookeeper;
        links.iter().enumerate().filter(|(server, _)| *server != follower).for_each(|(_, link)| {
            link.set(Mode::Refuse);
        });
        let _ = objects.settle(&cluster).await;
        super::under_load(&cluster, &objects, &mut random, async || {
            ways.lock()[&(follower, leader)].cut();
            for recorder in objects.recorders() {
                wait::until("another node answers", async || {
                    let outcome = recorder.change(&cluster.client(1), None).await;
                    matches!(outcome, Outcome::Done(_))
                })
                .await;
            }
            ways.lock()[&(follower, leader)].heal();
            cluster.node(0).links().heal();
        })
        .await;
        cluster.is_whole().await;
        let _ = objects.check_history(&cluster).await;
    }
}
