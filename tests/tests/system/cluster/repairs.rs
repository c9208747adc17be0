//! Repair of a serving cluster after an operator has removed znodes from its ensemble (guarantee L5).

use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::{seed, wait};
use rand::rngs::StdRng;
use zookeeper_client as zk;

/// Path of the cluster's znodes in these tests.
const CHROOT: &str = "/test";

/// Removes a znode and all its descendants, as `deleteall` does, while nodes create some of them again.
async fn delete_all(operator: &zk::Client, folder: &str) {
    let mut paths = vec![folder.to_owned()];
    while let Some(path) = paths.last() {
        match operator.delete(path, None).await {
            Ok(()) | Err(zk::Error::NoNode) => drop(paths.pop()),
            Err(zk::Error::NotEmpty) => {
                let children = operator.list_children(path).await.unwrap_or_default();
                let children: Vec<_> =
                    children.iter().map(|child| format!("{path}/{child}")).collect();
                paths.extend(children);
            }
            Err(error) => panic!("{path}: {error}"),
        }
    }
}

/// Removes a folder under load; all objects must respond through all nodes again within the bound of `settle`.
async fn removed(cluster: &Cluster, folder: &str, random: &mut StdRng) {
    let name = folder.trim_matches('/').replace('/', "-");
    let objects = Objects::journals(&format!("without-{name}"), 8);
    let operator = zk::Client::connect(&cluster.ensemble().connect_string()).await.unwrap();
    super::under_load(cluster, &objects, random, async || {
        delete_all(&operator, folder).await;
        let took = objects.settle(cluster).await;
        eprintln!("after the loss of {folder}, all objects answer after {took:?}");
        cluster.is_whole().await;
    })
    .await;
    // Until a node notices that its claims are gone, its queries may be stale ("Loss of ZooKeeper data" in
    // docs/operations.md). Updates and strict queries are checked.
    objects.forget_default_reads();
    let _ = objects.check_history(cluster).await;
    // Objects that were never active before, so that claims of every kind are created.
    let fresh = Objects::journals(&format!("after-{name}"), 32);
    let _ = fresh.settle(cluster).await;
}

#[tokio::test]
async fn nodes_mend_by_themselves_what_an_operator_removes() {
    let mut random = seed::random_numbers("nodes_mend_by_themselves_what_an_operator_removes");
    let cluster = Cluster::start(ClusterOptions::new()).await;
    for folder in ["/c", "/t", "/h", "/n", ""] {
        removed(&cluster, &format!("{CHROOT}{folder}"), &mut random).await;
    }
    let operator = zk::Client::connect(&cluster.ensemble().connect_string()).await.unwrap();
    let identity = format!("{CHROOT}/cluster");
    operator.delete(&identity, None).await.unwrap();
    wait::until("the cluster's identity is restored", async || {
        operator.check_stat(&identity).await.unwrap().is_some()
    })
    .await;
    // Deployments still reach every node.
    cluster.client(1).deploy("counter").await;
    for (index, expected) in (0..3).zip(1..) {
        assert_eq!(cluster.client(index).increment("counter/mended").await, expected);
    }
}

#[tokio::test]
async fn partitions_whose_claims_were_removed_are_claimed_anew() {
    let mut random = seed::random_numbers("partitions_whose_claims_were_removed_are_claimed_anew");
    let cluster = Cluster::start(ClusterOptions::new().partitions(64)).await;
    removed(&cluster, &format!("{CHROOT}/c"), &mut random).await;
}

#[tokio::test]
async fn a_node_that_dies_after_its_description_was_removed_is_not_listed() {
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let operator = zk::Client::connect(&cluster.ensemble().connect_string()).await.unwrap();
    delete_all(&operator, &format!("{CHROOT}/n")).await;
    cluster.node(2).kill9();
    for index in 0..2 {
        let client = cluster.client(index);
        wait::until("only the live nodes are listed", async || {
            let Ok(reply) = client.get("/v1/nodes").try_send().await else { return false };
            let json = reply.json();
            let nodes = json["nodes"].as_array().cloned().unwrap_or_default();
            let names: Vec<_> = nodes.iter().filter_map(|node| node["id"].as_str()).collect();
            names.len() == 2 && !names.iter().any(|name| name.starts_with("n2-"))
        })
        .await;
    }
}
