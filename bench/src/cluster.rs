//! Cluster to measure: processes of `highlander serve`, with claims in ZooKeeper and records on S3.
//!
//! ZooKeeper is one server in a separate process; the S3 server is part of this process.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use highlander_services::zookeeper::Ensemble;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::artifacts::Artifacts;
use crate::fixtures::{self, Blobs, CHROOT, Durability};
use crate::http_client;
use crate::load::{self, CONNECTION_COUNT, Target, Until};
use crate::process::Server;

const JOIN_TIMEOUT: Duration = Duration::from_secs(60);

/// Running cluster. On drop, it ends the nodes first and then the services.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
    pub(crate) blobs: Blobs,
    ensemble: Ensemble,
}

impl Cluster {
    /// Starts nodes with these names, to which each session appends a unique part, and waits until all accept
    /// calls.
    pub(crate) async fn start(artifacts: &Artifacts, names: &[&str]) -> Result<Self> {
        let ensemble = fixtures::ensemble(1, Durability::Synced)?;
        let blobs = Blobs::start(artifacts).await?;
        let mut cluster = Self { nodes: Vec::new(), blobs, ensemble };
        for name in names {
            let node = cluster.node(artifacts, name).await?;
            cluster.nodes.push(node);
        }
        Ok(cluster)
    }

    /// Returns the addresses of the nodes.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.address).collect()
    }

    /// Returns the address of any node.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        self.nodes.first().map(|node| node.address).context("the cluster has no nodes")
    }

    /// Calls each object of a target once, and checks that all of them are active afterwards.
    pub(crate) async fn fill(&self, target: &Target) -> Result<()> {
        let until = Until::Count(target.key_count);
        let addresses = self.addresses();
        load::closed_over(&addresses, target, CONNECTION_COUNT, until).await?.all_done()?;
        let text = http_client::get(self.address()?, "/v1/nodes").await?.done()?;
        let document: Value = serde_json::from_str(&text)?;
        let nodes = document.get("nodes").and_then(Value::as_array);
        let counts = nodes.into_iter().flatten().filter_map(|node| node["active_objects"].as_u64());
        let active: u64 = counts.sum();
        let wanted = target.key_count;
        ensure!(active >= wanted, "only {active} of {wanted} objects are active: {text}");
        Ok(())
    }

    async fn node(&self, artifacts: &Artifacts, name: &str) -> Result<Server> {
        let folder = artifacts.data_folder()?;
        let (bucket, access) = self.blobs.access();
        let mut command = Command::new(&artifacts.host);
        command.arg("serve");
        command.env("HIGHLANDER_NODE__NAME", name);
        command.env("HIGHLANDER_NODE__LISTEN", "127.0.0.1:0");
        command.env("HIGHLANDER_NODE__DATA_DIR", folder.path().join("data"));
        command.env("HIGHLANDER_REGISTRY__KIND", "zookeeper");
        let connect = format!("{}{CHROOT}", self.ensemble.connect_string());
        command.env("HIGHLANDER_REGISTRY__CONNECT", connect);
        command.env("HIGHLANDER_REGISTRY__SESSION_TIMEOUT", "20s");
        command.env("HIGHLANDER_STORE__KIND", "s3");
        command.env("HIGHLANDER_STORE__BUCKET", bucket);
        command.env("HIGHLANDER_STORE__ENDPOINT", self.blobs.url());
        command.env("HIGHLANDER_STORE__REGION", "us-east-1");
        // Active objects stay active during the measurement.
        command.env("HIGHLANDER_OBJECTS__IDLE_TIMEOUT", "1h");
        command.env("AWS_ACCESS_KEY_ID", &access.id);
        command.env("AWS_SECRET_ACCESS_KEY", &access.secret);
        let server = Server::start(command, folder).await?;
        let began = Instant::now();
        while http_client::get(server.address, "/readyz").await?.status != 200 {
            if began.elapsed() > JOIN_TIMEOUT {
                bail!("node {name} did not join the cluster within {JOIN_TIMEOUT:?}");
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(server)
    }
}
