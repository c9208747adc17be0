//! What is measured: the host, and the floors beside it. All answer the same requests.
//!
//! Each is a process of its own, with data of its own that goes when it ends.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::artifacts::Artifacts;
use crate::process::Server;
use crate::wire::{Body, Connection, write_request};

/// One of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A node with the embedded store.
    Highlander,
    /// Floor b: a task per counter, and a log that is synced for many at a time.
    Native,
    /// Floor a: a handler that answers with a constant.
    Constant,
}

impl Subject {
    /// How tables name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Highlander => "highlander",
            Self::Native => "native counter",
            Self::Constant => "constant",
        }
    }

    /// Starts it; a node with default settings, and with the counter deployed.
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

/// Deploys a component on a node.
pub(crate) async fn deploy(artifacts: &Artifacts, server: &Server, guest: &str) -> Result<()> {
    let wasm = std::fs::read(artifacts.guest(guest)?)?;
    let mut request = Vec::new();
    let body = Body { media_type: "application/wasm", bytes: &wasm };
    write_request(&mut request, "POST", "/v1/types", &body);
    let mut connection = Connection::open(server.address).await?;
    let answer = connection.exchange(&request).await?;
    let text = String::from_utf8_lossy(answer.body);
    ensure!((200..300).contains(&answer.status), "status {}: {text}", answer.status);
    Ok(())
}

async fn floor(artifacts: &Artifacts, kind: &str) -> Result<Server> {
    let folder = artifacts.data_folder()?;
    let mut command = Command::new(std::env::current_exe()?);
    // Its log is made in the folder it is started in.
    command.args(["floor", kind]).current_dir(folder.path());
    Server::start(command, folder).await
}
