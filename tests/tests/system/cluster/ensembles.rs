//! Operator mistakes and accidents with the ensemble's data (guarantees S1, S3, L5).

use std::time::Duration;

use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::history::Outcome;
use highlander_tests::history::record::Record;
use highlander_tests::iterations::{is_soak, iterations};
use highlander_tests::{seed, wait};
use tokio::time::sleep;
use zookeeper_client as zk;

/// ZooKeeper holds no state that cannot be lost.
#[tokio::test]
async fn histories_go_on_when_the_ensemble_has_forgotten_everything() {
    let mut random =
        seed::random_numbers("histories_go_on_when_the_ensemble_has_forgotten_everything");
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let objects = Objects::journals("forgotten", 8);
    for _ in 0..iterations(1, 10) {
        super::under_load(&cluster, &objects, &mut random, async || {
            let before = epochs(&cluster, &objects).await;
            cluster
                .with_ensemble(|ensemble| {
                    ensemble.kill(0);
                    let data = ensemble.folder().join("0/data/version-2");
                    std::fs::remove_dir_all(data).expect("the server's data");
                })
                .await;
            // Empty servers would grant claims that their former owners still trust.
            sleep(cluster.options().session_timeout).await;
            cluster.with_ensemble(|ensemble| ensemble.restart(0)).await;
            cluster.is_whole().await;
            let _ = objects.settle(&cluster).await;
            let after = epochs(&cluster, &objects).await;
            assert!(before.iter().zip(&after).all(|(old, new)| old < new), "{before:?} {after:?}");
        })
        .await;
        let _ = objects.check_history(&cluster).await;
    }
}

async fn epochs(cluster: &Cluster, objects: &Objects) -> Vec<u64> {
    let mut epochs = Vec::new();
    for recorder in objects.recorders() {
        let record = cluster.record(recorder.object()).await;
        epochs.push(record.map_or(0, |record| Record::read(&record).unwrap().epoch));
    }
    epochs
}

/// Sessions with the maximum number of claims expire at once, and the servers can read back what they wrote.
#[tokio::test]
async fn an_ensemble_outlives_the_end_of_sessions_that_are_full() {
    let claims_max: usize = if is_soak() { 25_000 } else { 60 };
    let options = ClusterOptions {
        nodes: 2,
        ..ClusterOptions::new()
            .with("registry.claims_max", &claims_max.to_string())
            .with("objects.activation_rate", "1000000")
            .with("objects.call_timeout", "60s")
    };
    let cluster = Cluster::start(options).await;
    let objects = Objects::journals("full", claims_max * 2 + 20);
    let (mut done, mut full) = (0, 0);
    for (number, chunk) in objects.recorders().chunks(64).enumerate() {
        let client = cluster.client(number % 2);
        let calls = chunk.iter().map(|recorder| recorder.change(&client, None));
        for outcome in futures_util::future::join_all(calls).await {
            match outcome {
                Outcome::Done(_) => done += 1,
                Outcome::NotExecuted => full += 1,
                Outcome::Unknown => panic!("unknown outcome in a healthy cluster"),
            }
        }
    }
    eprintln!("{done} objects are active, {full} were rejected");
    assert!(done <= claims_max * 2 && done > claims_max, "{done} of {}", claims_max * 2);
    cluster.nodes().iter().for_each(|node| node.kill9());
    sleep(cluster.options().session_timeout + Duration::from_secs(2)).await;
    cluster.with_ensemble(|ensemble| ensemble.restart(0)).await;
    for node in cluster.nodes() {
        node.restart().await;
    }
    let sample = &objects.recorders()[..20];
    for recorder in sample {
        let _ = recorder.audit(&cluster.client(0)).await;
        recorder.audit_record(cluster.record(recorder.object()).await.as_deref());
    }
}

#[tokio::test]
async fn an_owner_whose_claim_was_removed_by_hand_ends_the_object() {
    let mut random =
        seed::random_numbers("an_owner_whose_claim_was_removed_by_hand_ends_the_object");
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let objects = Objects::journals("removed", 4);
    let admin = zk::Client::connect(&cluster.ensemble().connect_string()).await.unwrap();
    for round in 0..iterations(4, 100) {
        let recorder = &objects.recorders()[usize::try_from(round).unwrap() % 4];
        let _ = recorder.change(&cluster.client(0), None).await;
        super::under_load(&cluster, &objects, &mut random, async || {
            let key = recorder.object().strip_prefix("journal/").unwrap();
            let path = claim_of(&admin, key).await.expect("the object has an owner");
            let removed = admin.get_data(&path).await.map(|(_, stat)| stat.czxid).unwrap();
            admin.delete(&path, None).await.unwrap();
            wait::until("the object is claimed again", async || {
                let _ = recorder.read(&cluster.client(1)).await;
                let data = admin.get_data(&path).await;
                data.is_ok_and(|(_, stat)| stat.czxid > removed)
            })
            .await;
        })
        .await;
    }
    let _ = objects.check_history(&cluster).await;
}

/// Returns the path of the znode whose data contains this key.
async fn claim_of(admin: &zk::Client, key: &str) -> Option<String> {
    let mut paths = vec!["/".to_owned()];
    while let Some(path) = paths.pop() {
        if path == "/zookeeper" {
            continue;
        }
        let Ok((data, stat)) = admin.get_data(&path).await else { continue };
        if stat.ephemeral_owner != 0 && String::from_utf8_lossy(&data).contains(key) {
            return Some(path);
        }
        for child in admin.list_children(&path).await.unwrap_or_default() {
            paths.push(format!("{}/{child}", path.trim_end_matches('/')));
        }
    }
    None
}
