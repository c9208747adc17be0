//! Servers of the measurements: the host and the baselines. All of them serve the same requests.
//!
//! Each is a separate process, with data that is removed when it ends.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::artifacts::Artifacts;
use crate::http_client::{self, Body};
use crate::process::Server;

/// Server to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Node with the embedded store.
    Highlander,
    /// Baseline b: a task per counter, and a log with group commit.
    Native,
    /// Baseline a: a handler that responds with a constant.
    Constant,
}

impl Subject {
    /// Returns the name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Highlander => "highlander",
            Self::Native => "native counter",
            Self::Constant => "constant",
        }
    }

    /// Starts the server; a node has default settings, and the counter deployed.
    pub(crate) async fn start(self, artifacts: &Artifacts) -> Result<Server> {
        match self {
            Self::Highlander => node(artifacts, &[], &["counter"]).await,
            Self::Native => floor(artifacts, "native").await,
            Self::Constant => floor(artifacts, "constant").await,
        }
    }
}

/// Starts a node with settings from the environment, and deploys components.
pub(crate) async fn node(
    artifacts: &Artifacts,
    settings: &[(&str, &str)],
    guests: &[&str],
) -> Result<Server> {
    let folder = artifacts.data_folder()?;
    let mut command = Command::new(&artifacts.host);
    command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data"));
    command.envs(settings.iter().copied());
    let server = Server::start(command, folder).await?;
    for guest in guests {
        deploy(artifacts, &server, guest)
            .await
            .with_context(|| format!("cannot deploy {guest}"))?;
    }
    Ok(server)
}

/// Deploys a component by its name on a node.
pub(crate) async fn deploy(artifacts: &Artifacts, server: &Server, guest: &str) -> Result<()> {
    upload(server.address, &std::fs::read(artifacts.guest(guest)?)?).await.map(drop)
}

/// Deploys a component, and returns the number of its revision once every node serves it.
pub(crate) async fn upload(address: SocketAddr, wasm: &[u8]) -> Result<u32> {
    let body = Body { media_type: "application/wasm", bytes: wasm };
    let text = http_client::ask(address, "POST", "/v1/types", &body).await?.done()?;
    let document: Value = serde_json::from_str(&text)?;
    let revision = document.get("revision").and_then(Value::as_u64);
    let revision = revision.with_context(|| format!("no revision was deployed: {text}"))?;
    Ok(u32::try_from(revision)?)
}

async fn floor(artifacts: &Artifacts, kind: &str) -> Result<Server> {
    let folder = artifacts.data_folder()?;
    let mut command = Command::new(std::env::current_exe()?);
    // The log is created in the working folder.
    command.args(["baseline", kind]).current_dir(folder.path());
    Server::start(command, folder).await
}
