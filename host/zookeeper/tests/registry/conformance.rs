//! Conformance of the ZooKeeper registry, for each claim granularity.

use std::time::Duration;

use highlander_core::registry::claims::Granularity;
use highlander_services::zookeeper::Config;

use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_registry() {
    highlander_testing::registry::check(&Cluster::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_are_a_registry() {
    let config = Config::with_servers(3);
    highlander_testing::registry::check(&Cluster::start_with(config, Duration::from_secs(4)).await)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_registry_of_partitions() {
    for count in [1, 16] {
        // Separate servers for each check: the previous check's sessions may not have ended yet.
        let mut cluster = Cluster::start().await;
        cluster.options.granularity = Granularity::Partitions(count);
        highlander_testing::registry::check_partitions(&cluster).await;
    }
}
