//! Nodes that are rejected because their configuration does not match the cluster.

use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::cluster::{Cluster, PREFIX};
use highlander_tests::process::Process;

/// Starts a fourth node with these additional variables, and returns the reason for its exit.
async fn refused(cluster: &Cluster, variables: &[(&str, &str)]) -> String {
    let mut command = cluster.node(0).command();
    let data = cluster.folder().join("stranger");
    command.env("HIGHLANDER_NODE__NAME", "stranger").env("HIGHLANDER_NODE__DATA_DIR", data);
    command.envs(variables.iter().copied());
    let mut process = Process::start(&mut command);
    let status = process.end().await;
    let log = process.lines().join("\n");
    assert_eq!(status.code(), Some(2), "{variables:?}: {log}");
    assert!(log.contains("error: "), "{log}");
    log
}

/// Returns the first node's connect string with another chroot.
fn elsewhere(cluster: &Cluster, chroot: &str) -> String {
    let links = &cluster.node(0).links().zookeeper;
    let servers: Vec<_> = links.iter().map(|link| link.address().to_string()).collect();
    format!("{}/{chroot}", servers.join(","))
}

#[tokio::test]
async fn a_node_that_would_be_of_another_cluster_is_refused() {
    let cluster = Cluster::start(ClusterOptions { nodes: 2, ..ClusterOptions::new() }).await;
    let claims = "HIGHLANDER_REGISTRY__CLAIMS";
    let log = refused(&cluster, &[(claims, "partitions = 16")]).await;
    assert!(log.contains("registry.claims") && log.contains("partitions = 16"), "{log}");
    let log = refused(&cluster, &[("HIGHLANDER_STORE__PREFIX", "other")]).await;
    assert!(log.contains("bucket has no record of it"), "{log}");
    let connect = elsewhere(&cluster, "other");
    let log = refused(&cluster, &[("HIGHLANDER_REGISTRY__CONNECT", &connect)]).await;
    assert!(log.contains("ZooKeeper chroot has no record of it"), "{log}");
    // The members are unaffected, and accept a node with a matching configuration.
    for index in 0..2 {
        assert!(!cluster.node(index).log().iter().any(|line| line.contains("session is over")));
    }
    cluster.node(1).restart().await;
    cluster.is_whole().await;
}

/// A second cluster, separate except for the bucket and the prefix.
#[tokio::test]
async fn a_bucket_is_of_one_cluster_until_its_operator_says_otherwise() {
    let cluster = Cluster::start(ClusterOptions { nodes: 1, ..ClusterOptions::new() }).await;
    let connect = elsewhere(&cluster, "second");
    let second = [("HIGHLANDER_REGISTRY__CONNECT", connect.as_str())];
    for is_running in [true, false] {
        if !is_running {
            cluster.node(0).kill9();
        }
        let log = refused(&cluster, &second).await;
        assert!(log.contains("another cluster may be using the bucket"), "{log}");
        assert!(log.contains("docs/operations.md"), "{log}");
    }
    let blob = format!("{PREFIX}/cluster.json");
    assert!(cluster.store().blob(&blob).is_some());
    cluster.store().remove(&blob).await;
    let mut command = cluster.node(0).command();
    let data = cluster.folder().join("second");
    command.env("HIGHLANDER_NODE__DATA_DIR", data).envs(second);
    let mut process = Process::start(&mut command);
    process.line_with("node n0-").await;
    process.kill();
    assert!(cluster.store().blob(&blob).is_some(), "the bucket names a cluster again");
    // The bucket no longer belongs to the first cluster.
    let log = refused(&cluster, &[]).await;
    assert!(log.contains("the bucket belongs to cluster"), "{log}");
}

/// Nodes remember across restarts what ZooKeeper has lost.
#[tokio::test]
async fn a_cluster_begins_again_though_zookeeper_forgot_it_while_all_nodes_were_down() {
    let cluster = Cluster::start(ClusterOptions::new().guests(&["counter"])).await;
    cluster.client(0).increment("counter/kept").await;
    cluster.nodes().iter().for_each(|node| node.kill9());
    cluster
        .with_ensemble(|ensemble| {
            ensemble.kill(0);
            let data = ensemble.folder().join("0/data/version-2");
            std::fs::remove_dir_all(data).expect("the server's data");
            ensemble.restart(0);
        })
        .await;
    for node in cluster.nodes() {
        node.restart().await;
    }
    cluster.is_whole().await;
    assert_eq!(cluster.client(1).value("counter/kept").await, 1);
}
