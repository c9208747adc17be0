//! Nodes that refuse to start because the store violates an assumption.

use highlander_s3_server::faults::Quirks;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::process::Process;

/// Starts a cluster of one node, gives its store each of these quirks in turn, and checks that the restarted node
/// exits.
async fn refused(quirks: &[Quirks]) {
    let cluster = Cluster::start(ClusterOptions { nodes: 1, ..ClusterOptions::new() }).await;
    for quirks in quirks {
        cluster.node(0).kill9();
        cluster.faults().set_quirks(*quirks);
        let mut process = Process::start(&mut cluster.node(0).command());
        let status = process.end().await;
        let log = process.lines().join("\n");
        assert_eq!(status.code(), Some(2), "{quirks:?}: {log}");
        assert!(log.contains("error: ") && log.contains("condition"), "{quirks:?}: {log}");
    }
    cluster.faults().set_quirks(Quirks::default());
    cluster.node(0).restart().await;
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused() {
    refused(&[
        Quirks { ignores_if_match: true, ..Quirks::default() },
        Quirks { ignores_if_none_match: true, ..Quirks::default() },
        Quirks { ignores_if_match: true, ignores_if_none_match: true, ..Quirks::default() },
    ])
    .await;
}
