//! Clusters of real processes: ZooKeeper servers, an S3 server, nodes, and what befalls them.
//!
//! Each test of a fault calls objects through all nodes while it happens, and ends when the faults are over, every
//! object answers again, and all histories have been judged: by what callers saw, and by what lies in the store.

mod agreement;
mod callers;
mod clients;
mod clocks;
mod collections;
mod crashes;
mod cuts;
mod deletions;
mod elections;
mod ensembles;
mod events;
mod freezes;
mod herds;
mod keys;
mod leaving;
mod listings;
mod lone_nodes;
mod partitions;
mod quarantines;
mod races;
mod refusals;
mod repairs;
mod rollouts;
mod routing;
mod slow_store;
mod starts;
mod store_faults;
mod swap_deaths;
mod swap_faults;
mod swaps;
mod takeovers;
mod talk;
mod todos;
mod together;

use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::load::{Load, Manner, Met};
use highlander_tests::cluster::objects::Objects;
use rand::rngs::StdRng;

/// How many callers there are where nothing else is said.
const CALLERS: usize = 8;
/// How many calls are answered before a fault, and after it.
const ANSWERS: u64 = 60;

/// Does something to a cluster while its objects are called through all nodes.
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

/// The same with callers who repeat everything under a key until it is done.
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
