//! Parts of a cluster as processes: ZooKeeper servers, an S3 server, nodes, and the nodes' configuration files.
//! Each process ends when its value is dropped.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use highlander_services::process::Process;
use highlander_services::zookeeper::{Config, Ensemble};
use tempfile::TempDir;

use super::node_roles;
use crate::node::Node;

/// Bucket of all nodes.
const BUCKET: &str = "objects";
/// Credentials shared by the S3 server and the nodes. Both listen only on this machine.
const CREDENTIALS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "cluster"), ("AWS_SECRET_ACCESS_KEY", "cluster-of-this-machine")];

/// Folder of a cluster's files.
pub(super) enum Folder {
    /// Kept for the user until the next run.
    Kept(PathBuf),
    /// Removed after the run.
    Temporary(TempDir),
}

impl Folder {
    /// Creates an empty folder at `path`.
    pub(super) fn keep(path: PathBuf) -> Result<Self> {
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path)?;
        Ok(Self::Kept(path))
    }

    pub(super) fn temporary() -> Result<Self> {
        Ok(Self::Temporary(tempfile::Builder::new().prefix("highlander-cluster-").tempdir()?))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Returns the end of a part's log.
    pub(super) fn log_end(&self, name: &str) -> String {
        let log = fs::read_to_string(self.file(name)).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
    }

    fn log(&self, name: &str) -> Result<File> {
        Ok(File::options().create(true).append(true).open(self.file(name))?)
    }
}

/// Starts three servers with the settings that docs/operations.md requires.
pub(super) fn start_ensemble() -> Result<Ensemble> {
    Ensemble::try_start(Config {
        tick_ms: 1000,
        sync_limit: 2,
        session_timeout_min_ms: 2000,
        has_force_sync: true,
        ..Config::with_servers(3)
    })
}

/// S3 server as a process.
pub(super) struct Store {
    /// Ends when this value is dropped.
    _process: Process,
    url: String,
}

impl Store {
    pub(super) fn start(binaries: &Path, folder: &Folder) -> Result<Self> {
        let mut command = Command::new(binaries.join("highlander-s3-server"));
        command.arg("--data").arg(folder.file("blobs")).args(["--bucket", BUCKET]);
        command.envs(CREDENTIALS).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(folder.log("s3-server.log")?);
        let mut process = Process::start(&mut command)?;
        let stdout = process.take_stdout().context("the S3 server has no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let Some(url) = line.trim().strip_prefix("listening on ") else {
            bail!("the S3 server exited before it listened:\n{}", folder.log_end("s3-server.log"));
        };
        Ok(Self { _process: process, url: url.to_owned() })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

/// Writes the configuration of the node with this index.
pub(super) fn write_config(
    folder: &Folder,
    index: usize,
    address: &str,
    ensemble: &Ensemble,
    store: &Store,
) -> Result<()> {
    let name = node_roles::name(index);
    let data_dir = folder.file(&name);
    let (connect, endpoint) = (ensemble.connect_string(), store.url());
    let text = format!(
        "[node]\nname = \"{name}\"\nlisten = \"{address}\"\ndata_dir = {data_dir:?}\n\n\
         [registry]\nkind = \"zookeeper\"\nconnect = \"{connect}/highlander\"\n\n\
         [store]\nkind = \"s3\"\nbucket = \"{BUCKET}\"\nendpoint = \"{endpoint}\"\nregion = \"us-east-1\"\n"
    );
    Ok(fs::write(folder.file(&format!("{name}.toml")), text)?)
}

/// Starts the node with this index by its configuration, and waits until it is ready.
pub(super) fn start_node(
    binaries: &Path,
    folder: &Folder,
    index: usize,
    address: &str,
) -> Result<Node> {
    let name = node_roles::name(index);
    let mut command = Command::new(binaries.join("highlander"));
    command.args(["serve", "--config"]).arg(folder.file(&format!("{name}.toml")));
    command.envs(CREDENTIALS).stdin(Stdio::null());
    let log = folder.log(&format!("{name}.log"))?;
    command.stdout(log.try_clone()?).stderr(log);
    let node =
        Node::start(&mut command, address).with_context(|| format!("cannot start {name}"))?;
    fs::write(folder.file(&format!("{name}.pid")), node.pid().to_string())?;
    Ok(node)
}

/// Returns the environment of commands that access the store.
pub(super) fn credentials() -> Vec<(&'static str, String)> {
    CREDENTIALS.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}
