//! Clusters of real processes: ZooKeeper servers, an S3 server and nodes, with injected faults.
//!
//! Each fault test calls objects through all nodes while the fault lasts. Afterwards every object must respond
//! again, and all histories are checked against the responses to callers and against the records in the store.

mod acceptance;
mod agreement;
mod callers;
mod claim_partitions;
mod clients;
mod clocks;
mod collections;
mod crash_during_rollout;
mod crashes;
mod deletions;
mod elections;
mod ensembles;
mod events;
mod graceful_shutdown;
mod keys;
mod listings;
mod lone_nodes;
mod network_partitions;
mod object_calls;
mod paused_nodes;
mod quarantines;
mod races;
mod refusals;
mod repairs;
mod rollouts;
mod routing;
mod slow_store;
mod starts;
mod store_faults;
mod swap_faults;
mod swaps;
mod takeovers;
mod thundering_herd;
mod todos;

use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::load::{Load, Manner, Met};
use highlander_tests::cluster::objects::Objects;
use rand::rngs::StdRng;

/// Default number of callers.
const CALLERS: usize = 8;
/// Number of successful calls before a fault, and after it.
const ANSWERS: u64 = 60;

/// Runs an action on a cluster while its objects are called through all nodes.
async fn under_load<T>(
    cluster: &Cluster,
    objects: &Objects,
    random: &mut StdRng,
    act: impl AsyncFnOnce() -> T,
) -> T {
    let load = Load::start(cluster, objects, Manner::of(cluster, CALLERS), random);
    objects.more_answers(ANSWERS).await;
    let result = act().await;
    objects.more_answers(ANSWERS).await;
    let _ = load.stop().await;
    result
}

/// Runs an action under load from callers that repeat every call under a key until it succeeds.
async fn under_patient_load(
    cluster: &Cluster,
    objects: &Objects,
    random: &mut StdRng,
    act: impl AsyncFnOnce(),
) -> Met {
    let load = Load::start(cluster, objects, Manner::of(cluster, CALLERS).patient(), random);
    objects.more_answers(ANSWERS).await;
    act().await;
    objects.more_answers(ANSWERS).await;
    load.stop().await
}
