//! ZooKeeper ensembles of plain processes, which can be killed, stopped, frozen and started again.
//!
//! An [`Ensemble`] is ready when it is made, keeps its data and its ports while it lives, and ends with all its
//! processes. Every call blocks its thread, for as long as the servers take. Nothing here speaks ZooKeeper's protocol
//! but the four-letter words.

mod server;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use server::{Liveness, Server};

/// Ports that were free a moment ago may be taken when a server binds them: so often others are tried.
const START_ATTEMPTS_MAX: usize = 5;
/// Longest time that servers may take to serve. Long, for machines that do much else.
const SERVING_TIME_MAX: Duration = Duration::from_secs(90);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Where one server reaches another: the one that asks, the one that it asks for, and the real address of that.
pub type Route = Arc<dyn Fn(usize, usize, String) -> String + Send + Sync>;

/// How an ensemble is to be.
#[derive(Clone)]
pub struct Config {
    /// Servers; 1 is a standalone one.
    pub server_count: usize,
    /// ZooKeeper's tick, by which sessions expire.
    pub tick_ms: u32,
    /// Ticks that a follower may be behind, or silent.
    pub sync_limit: u32,
    /// Shortest session timeout that a client may ask for.
    pub session_timeout_min_ms: u32,
    /// Longest session timeout that a client may ask for.
    pub session_timeout_max_ms: u32,
    /// Whether a change is on the disk before it is answered. Tests that lose no power do without.
    pub has_force_sync: bool,
    /// Each server's heap.
    pub heap_mb: u32,
    /// Further lines of `zoo.cfg`.
    pub lines: Vec<String>,
    /// Further arguments of the Java machine.
    pub java_arguments: Vec<String>,
    /// A second port for clients, with TLS.
    pub tls: Option<Tls>,
    /// Other addresses under which the servers look for each other, as for links that can be cut. It is asked for the
    /// port of the leader, not for that of elections.
    pub route: Option<Route>,
}

/// How servers speak TLS with clients.
#[derive(Debug, Clone)]
pub struct Tls {
    /// A PEM file of the servers' private key and certificate.
    pub identity: PathBuf,
    /// A PEM file of the certificates that clients' certificates are checked with.
    pub client_ca: PathBuf,
    /// Whether a client must have a certificate.
    pub needs_client_certificate: bool,
}

/// Tests' settings: quick expiry, and no waiting for the disk.
impl Default for Config {
    fn default() -> Self {
        Self {
            server_count: 1,
            tick_ms: 500,
            sync_limit: 2,
            session_timeout_min_ms: 1000,
            session_timeout_max_ms: 60_000,
            has_force_sync: false,
            heap_mb: 256,
            lines: Vec::new(),
            java_arguments: Vec::new(),
            tls: None,
            route: None,
        }
    }
}

impl Config {
    /// The default with so many servers.
    #[must_use]
    pub fn with_servers(server_count: usize) -> Self {
        Self { server_count, ..Self::default() }
    }
}

/// Servers that make one ZooKeeper service.
///
/// Dropped while its thread panics, it prints the end of each server's log.
#[derive(Debug)]
pub struct Ensemble {
    servers: Mutex<Vec<Server>>,
    addresses: Vec<String>,
    secure_addresses: Vec<String>,
    folder: TempDir,
}

impl Ensemble {
    /// Starts servers, and waits until each of them serves.
    ///
    /// # Panics
    /// Where they cannot be started, with the reason.
    #[must_use]
    #[allow(clippy::panic, reason = "a test without its servers is over")]
    pub fn start(config: Config) -> Self {
        Self::try_start(config).unwrap_or_else(|error| panic!("no ZooKeeper: {error:#}"))
    }

    /// Starts servers, and waits until each of them serves.
    ///
    /// # Errors
    /// Where they cannot be started, as without Java.
    #[allow(clippy::needless_pass_by_value, reason = "as of `start`, where callers write a value")]
    pub fn try_start(config: Config) -> Result<Self> {
        ensure!(config.server_count > 0, "an ensemble has at least one server");
        let mut attempt = 1;
        loop {
            match Self::attempt(&config) {
                Err(error) if attempt < START_ATTEMPTS_MAX && is_port_taken(&error) => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    fn attempt(config: &Config) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("zookeeper-").tempdir()?;
        let layouts = server::lay_out(config, folder.path())?;
        let address = |port: u16| format!("127.0.0.1:{port}");
        let addresses = layouts.iter().map(|layout| address(layout.client_port)).collect();
        let secure = layouts.iter().filter_map(|layout| layout.secure_port);
        let ensemble = Self {
            addresses,
            secure_addresses: secure.map(address).collect(),
            servers: Mutex::new(layouts.into_iter().map(Server::new).collect()),
            folder,
        };
        ensemble.lock().iter_mut().try_for_each(Server::start)?;
        (0..config.server_count).try_for_each(|index| ensemble.wait_until_serving(index))?;
        Ok(ensemble)
    }

    /// All servers' addresses, as clients want them.
    #[must_use]
    pub fn connect_string(&self) -> String {
        self.addresses.join(",")
    }

    /// All servers' addresses for TLS, as clients want them; empty without TLS.
    #[must_use]
    pub fn secure_connect_string(&self) -> String {
        self.secure_addresses.join(",")
    }

    /// The address of one server, by its number from 0.
    #[must_use]
    pub fn server_address(&self, index: usize) -> String {
        self.addresses.get(index).cloned().unwrap_or_default()
    }

    /// How many servers there are, running or not.
    #[must_use]
    pub fn server_count(&self) -> usize {
        self.addresses.len()
    }

    /// The folder of the servers' data, settings and logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends a server as a crash would.
    pub fn kill(&self, index: usize) {
        self.with_server(index, Server::kill);
    }

    /// Ends a server in order.
    pub fn stop(&self, index: usize) {
        self.with_server(index, Server::stop);
    }

    /// Freezes a server: its connections stay, and nothing is answered.
    pub fn pause(&self, index: usize) {
        self.with_server(index, Server::pause);
    }

    /// Lets a frozen server go on.
    pub fn resume(&self, index: usize) {
        self.with_server(index, Server::resume);
    }

    /// Starts a server again on its data and its ports, ending it before if it runs. Waits until it serves, if a
    /// majority of the servers runs.
    ///
    /// # Panics
    /// Where it does not come back.
    #[allow(clippy::panic, reason = "a test without its servers is over")]
    pub fn restart(&self, index: usize) {
        self.kill(index);
        self.try_restart(index).unwrap_or_else(|error| panic!("server {index}: {error:#}"));
    }

    fn try_restart(&self, index: usize) -> Result<()> {
        let running_count = {
            let mut servers = self.lock();
            servers.get_mut(index).context("there is no such server")?.start()?;
            servers.iter().filter(|server| server.is_running()).count()
        };
        if running_count * 2 > self.server_count() {
            self.wait_until_serving(index)?;
        }
        Ok(())
    }

    /// The server that leads; a standalone one leads itself. Nobody while there is an election.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        (0..self.server_count())
            .find(|index| matches!(self.mode(*index).as_deref(), Some("leader" | "standalone")))
    }

    /// What a server is: `leader`, `follower` or `standalone`, if it serves.
    #[must_use]
    pub fn mode(&self, index: usize) -> Option<String> {
        let answer = self.four_letter(index, "srvr");
        answer.lines().find_map(|line| Some(line.strip_prefix("Mode: ")?.to_owned()))
    }

    /// The number of a server's process, if it runs.
    #[must_use]
    pub fn process_id(&self, index: usize) -> Option<u32> {
        self.lock().get(index).and_then(Server::process_id)
    }

    /// What a server answers to one of its four-letter words, like `mntr`; nothing if it does not answer.
    #[must_use]
    pub fn four_letter(&self, index: usize, word: &str) -> String {
        server::ask(&self.server_address(index), word).unwrap_or_default()
    }

    /// A number that a server tells of itself by `mntr`, like `zk_ephemerals_count`.
    #[must_use]
    pub fn figure(&self, index: usize, name: &str) -> Option<i64> {
        let answer = self.four_letter(index, "mntr");
        answer.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    fn wait_until_serving(&self, index: usize) -> Result<()> {
        let mut waited = Duration::ZERO;
        loop {
            let liveness = self.lock().get_mut(index).map(Server::liveness);
            match liveness.context("there is no such server")? {
                // Only now is it known that whoever answers at that port is this server.
                Liveness::Runs if self.mode(index).is_some() => return Ok(()),
                Liveness::Runs => {}
                Liveness::PortTaken => return Err(PortTaken.into()),
                Liveness::Ended => bail!("it ended; its log ends with\n{}", self.log_end(index)),
            }
            ensure!(
                waited < SERVING_TIME_MAX,
                "it does not serve; its log ends with\n{}",
                self.log_end(index)
            );
            pause();
            waited += PAUSE;
        }
    }

    fn log_end(&self, index: usize) -> String {
        self.lock().get(index).map(Server::log_end).unwrap_or_default()
    }

    fn with_server(&self, index: usize, act: impl FnOnce(&mut Server)) {
        if let Some(server) = self.lock().get_mut(index) {
            act(server);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends all processes before their folder goes.
impl Drop for Ensemble {
    #[allow(clippy::print_stderr, reason = "what a failed test has to say")]
    fn drop(&mut self) {
        let is_panicking = std::thread::panicking();
        for (index, server) in self.lock().iter_mut().enumerate() {
            server.kill();
            if is_panicking {
                eprintln!("--- end of the log of ZooKeeper server {index}\n{}", server.log_end());
            }
        }
    }
}

/// A port was free, and is not any more.
#[derive(Debug)]
struct PortTaken;

impl fmt::Display for PortTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of its ports is taken")
    }
}

impl std::error::Error for PortTaken {}

fn is_port_taken(error: &anyhow::Error) -> bool {
    error.is::<PortTaken>()
}

#[allow(clippy::disallowed_methods, reason = "the calls of this module block their thread")]
fn pause() {
    std::thread::sleep(PAUSE);
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("server_count", &self.server_count)
            .field("tick_ms", &self.tick_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standalone_server_serves_is_killed_and_comes_back() {
        let ensemble = Ensemble::start(Config::default());
        assert_eq!(ensemble.leader(), Some(0));
        assert!(ensemble.figure(0, "zk_znode_count").is_some_and(|count| count > 0));
        ensemble.kill(0);
        assert_eq!(ensemble.leader(), None);
        assert_eq!(ensemble.four_letter(0, "srvr"), "");
        ensemble.restart(0);
        assert_eq!(ensemble.mode(0).as_deref(), Some("standalone"));
    }

    #[test]
    fn three_servers_elect_a_leader_again_when_it_is_lost() {
        let ensemble = Ensemble::start(Config::with_servers(3));
        let first = ensemble.leader().unwrap();
        ensemble.pause(first);
        let second = loop {
            match ensemble.leader() {
                Some(leader) => break leader,
                None => pause(),
            }
        };
        assert_ne!(first, second);
        ensemble.resume(first);
        ensemble.kill((0..3).find(|index| ![first, second].contains(index)).unwrap());
        ensemble.restart(first);
        assert!(ensemble.leader().is_some());
    }
}
