//! One node of a cluster: its process, its links in both directions, and the faults that a test can inject.
//!
//! A restart keeps the name, the links and the folder of the node; the port changes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use highlander_services::fault_proxy::{FaultProxy, Mode};
use highlander_services::zookeeper::Ensemble;
use parking_lot::Mutex;
use rustix::process::Signal;

use super::bucket::Bucket;
use super::options::ClusterOptions;
use super::runtime;
use crate::artifacts;
use crate::client::Client;
use crate::command;
use crate::node::{Options, launch};
use crate::process::Process;

/// Address without a listener.
const NOWHERE: &str = "http://127.0.0.1:1";

/// A node.
#[derive(Debug)]
pub struct NodeProcess {
    name: String,
    // Declared before the links, so that the process ends first.
    process: Mutex<Option<Process>>,
    url: Mutex<String>,
    http: Client,
    options: Options,
    data: PathBuf,
    links: Links,
}

/// Links of a node in both directions.
#[derive(Debug)]
pub struct Links {
    /// Links to each ZooKeeper server.
    pub zookeeper: Vec<FaultProxy>,
    /// FaultProxy to the store.
    pub store: FaultProxy,
    /// FaultProxy from the other nodes to this one.
    pub front: FaultProxy,
}

/// Resources that the nodes of a cluster share.
pub(super) struct Environment<'a> {
    pub(super) ensemble: &'a Ensemble,
    pub(super) bucket: &'a Bucket,
    pub(super) folder: &'a Path,
}

impl NodeProcess {
    pub(super) async fn start(
        index: usize,
        options: &ClusterOptions,
        around: &Environment<'_>,
    ) -> Self {
        let (name, token) = (format!("n{index}"), options.token.clone());
        let links = Links::new(around).await;
        let data = around.folder.join(&name);
        let options = links
            .told(options.node_options(index))
            .with("node.name", &name)
            .with("node.data_dir", data.to_str().expect("a plain path"));
        let member = Self {
            name,
            process: Mutex::new(None),
            url: Mutex::new(NOWHERE.to_owned()),
            http: Client::new(NOWHERE).with_token(token.as_deref()),
            options,
            data,
            links,
        };
        member.restart().await;
        member
    }

    /// Returns the node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is the node's name, or the id of one of its sessions.
    #[must_use]
    pub fn is_called(&self, node: &str) -> bool {
        let rest = node.strip_prefix(&self.name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// Returns the node's links.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Returns the URL of the current process.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.lock().clone()
    }

    /// Whether there is a process, frozen or not.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.lock().is_some()
    }

    /// Returns the log of the current process.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.process.lock().as_ref().map_or_else(Vec::new, Process::lines)
    }

    /// Kills the previous process, starts a new one, and waits until it is ready.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn restart(&self) {
        self.kill9();
        self.options.provide_code(&self.data);
        let (process, url) = launch(&mut self.command()).await;
        self.links.front.aim(address(&url));
        self.links.front.heal();
        *self.url.lock() = url;
        *self.process.lock() = Some(process);
    }

    /// Starts the process and waits only for its address, for a cluster that cannot serve yet.
    pub async fn restart_unready(&self) {
        self.kill9();
        let mut process = Process::start(&mut self.command());
        let line = process.line_with("listening on http://").await;
        let (_, url) = line.split_once("listening on ").unwrap();
        self.links.front.aim(address(url.trim()));
        self.links.front.heal();
        *self.url.lock() = url.trim().to_owned();
        *self.process.lock() = Some(process);
    }

    /// Returns the command that starts the node.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(artifacts::binary());
        command.arg("serve");
        command::clear_environment(&mut command);
        self.options.apply(&mut command);
        command
    }

    /// Kills the process with SIGKILL, as a crash would.
    pub fn kill9(&self) {
        let process = self.process.lock().take();
        if let Some(mut process) = process {
            process.kill();
        }
        self.is_gone();
    }

    /// Pauses the process with SIGSTOP; its connections stay open.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Resumes a frozen process.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends SIGTERM, and returns the exit status.
    ///
    /// # Panics
    /// If the node is not running, or does not end.
    pub async fn terminate(&self) -> ExitStatus {
        let mut process = self.process.lock().take().expect("the node runs");
        process.signal(Signal::TERM);
        let status = process.end().await;
        self.is_gone();
        status
    }

    /// Sends a signal to the process, if there is one.
    pub fn signal(&self, signal: Signal) {
        if let Some(process) = &*self.process.lock() {
            process.signal(signal);
        }
    }

    /// Returns the index of the node that owns an object, as this node reports it, or `None` if it does not.
    pub(super) async fn owner_of(&self, object: &str) -> Option<usize> {
        let handler = if object.starts_with("journal/") { "digest" } else { "value" };
        let client = self.http.at(&self.url());
        let call = client.call(object, handler).header("highlander-timeout", "2s");
        let reply =
            tokio::time::timeout(Duration::from_secs(3), call.try_send()).await.ok()?.ok()?;
        let node = (reply.status == 200).then(|| reply.owner())?;
        node.strip_prefix('n')?.split('-').next()?.parse().ok()
    }

    /// Returns the number of nodes that this node sees.
    pub(super) async fn seen_nodes(&self, client: &Client) -> Option<usize> {
        let reply = client.get("/v1/nodes").try_send().await.ok()?;
        let nodes = (reply.status == 200).then(|| reply.json())?;
        nodes["nodes"].as_array().map(Vec::len)
    }

    /// Makes the node unreachable. No client may reach another process that reuses its port.
    fn is_gone(&self) {
        self.links.front.set(Mode::Refuse);
        NOWHERE.clone_into(&mut self.url.lock());
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        *self.process.get_mut() = None;
        self.options.collect_code(&self.data);
    }
}

impl Links {
    async fn new(around: &Environment<'_>) -> Self {
        let mut zookeeper = Vec::new();
        for index in 0..around.ensemble.server_count() {
            let target = around.ensemble.server_address(index).parse().expect("an address");
            zookeeper.push(runtime::link(Some(target)).await);
        }
        let store = runtime::link(Some(around.bucket.address())).await;
        Self { zookeeper, store, front: runtime::link(None).await }
    }

    fn told(&self, options: Options) -> Options {
        let servers: Vec<_> =
            self.zookeeper.iter().map(|link| link.address().to_string()).collect();
        let (access_key, secret_key) = Bucket::credentials();
        options
            .with("registry.connect", &format!("{}/test", servers.join(",")))
            .with("node.advertise", &self.front.address().to_string())
            .with("store.endpoint", &format!("http://{}", self.store.address()))
            .with("store.bucket", Bucket::NAME)
            .with_variable("AWS_ACCESS_KEY_ID", &access_key)
            .with_variable("AWS_SECRET_ACCESS_KEY", &secret_key)
            .with_variable("AWS_EC2_METADATA_DISABLED", "true")
    }

    /// Sets the mode of all links to ZooKeeper.
    pub fn set_zookeeper(&self, mode: Mode) {
        self.zookeeper.iter().for_each(|link| link.set(mode));
    }

    /// Reopens all links.
    pub fn heal(&self) {
        self.set_zookeeper(Mode::Open);
        self.store.heal();
        self.front.heal();
    }
}

fn address(url: &str) -> SocketAddr {
    url.strip_prefix("http://").and_then(|address| address.parse().ok()).expect("an address")
}
