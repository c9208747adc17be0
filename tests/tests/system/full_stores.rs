//! Stores that serve reads but take no writes: a full disk, and a bucket that denies writes.
//!
//! The disk is an in-memory file system, mounted only in the node's namespace (`unshare --mount`) and filled
//! through `/proc/PID/root`. The bucket is our S3 server with a fault.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use highlander_s3_server::faults::{Fault, Operation, Rule};
use highlander_tests::client::Client;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::node::{self, Options};
use highlander_tests::process::Process;
use highlander_tests::{artifacts, command, wait};
use serde_json::json;

/// Mounts a file system at `$1`, and executes the other arguments.
const ON_SMALL_DISK: &str = r#"mount -t tmpfs -o size=200m tmpfs "$1" && shift && exec "$@""#;
/// Leaves less than the 128 MiB that the store keeps free.
const FILLING_BYTES: u64 = 100 * 1024 * 1024;

/// A node with its data on a disk of 200 MiB.
struct Cramped {
    process: Process,
    client: Client,
    data: tempfile::TempDir,
}

impl Cramped {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut start = Command::new("unshare");
        if !rustix::process::getuid().is_root() {
            start.arg("--map-root-user");
        }
        start.args(["--mount", "sh", "-c", ON_SMALL_DISK, "sh"]).arg(data.path());
        start.arg(artifacts::binary()).args(["dev", "--listen", "127.0.0.1:0", "--data"]);
        start.arg(data.path());
        command::clear_environment(&mut start);
        Options::new().with("objects.store_unavailable_timeout", "1s").apply(&mut start);
        let (process, url) = node::launch(&mut start).await;
        Self { process, client: Client::new(&url), data }
    }

    /// Returns the path of a file on the node's disk.
    fn filling(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.process.id()));
        root.join(self.data.path().strip_prefix("/").unwrap()).join("filling")
    }
}

async fn until_ready(client: &Client, is_ready: bool) {
    wait::until(&format!("/readyz says {is_ready}"), async || client.is_ready().await == is_ready)
        .await;
}

#[tokio::test]
async fn a_full_disk_makes_the_node_unready_until_there_is_room() {
    let node = Cramped::start().await;
    let client = &node.client;
    client.deploy("counter").await;
    assert_eq!(client.call("counter/a", "increment").send().await.done().json(), json!(1));
    let filling = File::create(node.filling()).unwrap();
    rustix::fs::fallocate(&filling, rustix::fs::FallocateFlags::empty(), 0, FILLING_BYTES).unwrap();
    let first = client.call("counter/a", "increment").send().await;
    let told = first.problem("store-unavailable");
    assert!(told["detail"].as_str().unwrap().contains("bytes left"), "{told:?}");
    until_ready(client, false).await;
    client.call("counter/a", "increment").send().await.problem("store-unavailable");
    assert_eq!(client.call("counter/a", "value").send().await.done().json(), json!(1));
    // The space of a file is free only after its last descriptor is closed.
    drop(filling);
    std::fs::remove_file(node.filling()).unwrap();
    until_ready(client, true).await;
    assert_eq!(client.call("counter/a", "increment").send().await.done().json(), json!(2));
}

#[tokio::test]
async fn a_bucket_that_takes_no_writes_makes_the_node_unready_until_it_does() {
    for (status, code, first) in
        [(500, "InternalError", "outcome-unknown"), (403, "QuotaExceeded", "store-unavailable")]
    {
        let options = ClusterOptions { nodes: 1, ..ClusterOptions::new() }
            .with("objects.store_unavailable_timeout", "1s")
            .with("objects.call_timeout", "5s");
        let cluster = Cluster::start(options.guests(&["counter"])).await;
        let client = cluster.client(0);
        drop(client.call("counter/a", "increment").send().await.done());
        cluster.faults().add(Rule::new(Fault::Refuse(status, code)).on(Operation::Put));
        client.call("counter/a", "increment").send().await.problem(first);
        until_ready(&client, false).await;
        client.call("counter/a", "increment").send().await.problem("store-unavailable");
        assert_eq!(client.call("counter/a", "value").send().await.done().json(), json!(1));
        cluster.faults().clear();
        until_ready(&client, true).await;
        assert_eq!(client.call("counter/a", "increment").send().await.done().json(), json!(2));
    }
}
