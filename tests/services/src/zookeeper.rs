//! ZooKeeper ensembles of plain processes, which can be killed, stopped, paused and restarted.
//!
//! An [`Ensemble`] is ready once it is constructed, keeps its data and ports while it lives, and ends with all its
//! processes. Every call blocks its thread until the servers respond. Only the four-letter words of ZooKeeper's
//! protocol are used.

mod server;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use parking_lot::Mutex;
use tempfile::TempDir;

use server::{Liveness, Server};

/// Limit of attempts with other ports: a port that was free a moment ago may be taken when a server binds it.
const START_ATTEMPTS_MAX: usize = 5;
/// Longest time until servers serve; long, for busy machines.
const SERVING_TIME_MAX: Duration = Duration::from_secs(90);
/// Pause between two polls.
const PAUSE: Duration = Duration::from_millis(25);

/// Replaces the address under which one server reaches another: (source index, target index, real address).
pub type Route = Arc<dyn Fn(usize, usize, String) -> String + Send + Sync>;

/// Configuration of an ensemble.
#[derive(Clone)]
pub struct Config {
    /// Number of servers; 1 means standalone.
    pub server_count: usize,
    /// ZooKeeper's tick, the unit of session expiry.
    pub tick_ms: u32,
    /// Ticks for which a follower may lag behind or be silent.
    pub sync_limit: u32,
    /// Shortest session timeout that a client may request.
    pub session_timeout_min_ms: u32,
    /// Longest session timeout that a client may request.
    pub session_timeout_max_ms: u32,
    /// Whether a change is synced to disk before it is acknowledged. Tests without power loss do not need it.
    pub has_force_sync: bool,
    /// Heap of each server.
    pub heap_mb: u32,
    /// Additional lines of `zoo.cfg`.
    pub lines: Vec<String>,
    /// Additional arguments of the Java VM.
    pub java_arguments: Vec<String>,
    /// TLS configuration of a second port for clients.
    pub tls: Option<Tls>,
    /// Replacement addresses between the servers, for links that can be cut. It is called for the quorum port, not
    /// for the election port.
    pub route: Option<Route>,
}

/// TLS configuration of the servers for clients.
#[derive(Debug, Clone)]
pub struct Tls {
    /// PEM file of the servers' private key and certificate.
    pub identity: PathBuf,
    /// PEM file of the CA certificates that verify clients' certificates.
    pub client_ca: PathBuf,
    /// Whether a client must present a certificate.
    pub needs_client_certificate: bool,
}

/// Settings for tests: quick expiry, and no disk syncs.
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
    /// Returns the default configuration with this many servers.
    #[must_use]
    pub fn with_servers(server_count: usize) -> Self {
        Self { server_count, ..Self::default() }
    }
}

/// Servers that form one ZooKeeper service.
///
/// If it is dropped while its thread panics, it prints the end of each server's log.
#[derive(Debug)]
pub struct Ensemble {
    servers: Mutex<Vec<Server>>,
    addresses: Vec<String>,
    secure_addresses: Vec<String>,
    folder: TempDir,
}

impl Ensemble {
    /// Starts the servers, and waits until each of them serves.
    ///
    /// # Panics
    /// If they cannot be started, with the reason.
    #[must_use]
    #[allow(clippy::panic, reason = "a test cannot continue without its servers")]
    pub fn start(config: Config) -> Self {
        Self::try_start(config).unwrap_or_else(|error| panic!("cannot start ZooKeeper: {error:#}"))
    }

    /// Starts the servers, and waits until each of them serves.
    ///
    /// # Errors
    /// If they cannot be started, for example without Java.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "same signature as `start`, whose callers pass a value"
    )]
    pub fn try_start(config: Config) -> Result<Self> {
        ensure!(config.server_count > 0, "an ensemble needs at least one server");
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
        ensemble.servers.lock().iter_mut().try_for_each(Server::start)?;
        (0..config.server_count).try_for_each(|index| ensemble.wait_until_serving(index))?;
        Ok(ensemble)
    }

    /// Returns the connect string of all servers for clients.
    #[must_use]
    pub fn connect_string(&self) -> String {
        self.addresses.join(",")
    }

    /// Returns the connect string of all servers for clients with TLS; empty without TLS.
    #[must_use]
    pub fn secure_connect_string(&self) -> String {
        self.secure_addresses.join(",")
    }

    /// Returns the address of one server, by its index from 0.
    #[must_use]
    pub fn server_address(&self, index: usize) -> String {
        self.addresses.get(index).cloned().unwrap_or_default()
    }

    /// Returns the number of servers, running or not.
    #[must_use]
    pub fn server_count(&self) -> usize {
        self.addresses.len()
    }

    /// Returns the folder of the servers' data, settings and logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills a server, as a crash would.
    pub fn kill(&self, index: usize) {
        self.with_server(index, Server::kill);
    }

    /// Stops a server in order.
    pub fn stop(&self, index: usize) {
        self.with_server(index, Server::stop);
    }

    /// Pauses a server: its connections stay open, and it does not respond.
    pub fn pause(&self, index: usize) {
        self.with_server(index, Server::pause);
    }

    /// Resumes a paused server.
    pub fn resume(&self, index: usize) {
        self.with_server(index, Server::resume);
    }

    /// Restarts a server on its data and ports, after killing it if it runs. Waits until it serves, if a majority
    /// of the servers runs.
    ///
    /// # Panics
    /// If it does not serve again.
    #[allow(clippy::panic, reason = "a test cannot continue without its servers")]
    pub fn restart(&self, index: usize) {
        self.kill(index);
        self.try_restart(index).unwrap_or_else(|error| panic!("server {index}: {error:#}"));
    }

    fn try_restart(&self, index: usize) -> Result<()> {
        let running_count = {
            let mut servers = self.servers.lock();
            servers.get_mut(index).context("no server has this index")?.start()?;
            servers.iter().filter(|server| server.is_running()).count()
        };
        if running_count * 2 > self.server_count() {
            self.wait_until_serving(index)?;
        }
        Ok(())
    }

    /// Returns the leader; a standalone server counts as one. `None` during an election.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        (0..self.server_count())
            .find(|index| matches!(self.mode(*index).as_deref(), Some("leader" | "standalone")))
    }

    /// Returns the mode of a server, if it serves: `leader`, `follower` or `standalone`.
    #[must_use]
    pub fn mode(&self, index: usize) -> Option<String> {
        let answer = self.four_letter(index, "srvr");
        answer.lines().find_map(|line| Some(line.strip_prefix("Mode: ")?.to_owned()))
    }

    /// Returns the process id of a server, if it runs.
    #[must_use]
    pub fn process_id(&self, index: usize) -> Option<u32> {
        self.servers.lock().get(index).and_then(Server::process_id)
    }

    /// Returns a server's response to a four-letter word such as `mntr`; empty if it does not respond.
    #[must_use]
    pub fn four_letter(&self, index: usize, word: &str) -> String {
        server::ask(&self.server_address(index), word).unwrap_or_default()
    }

    /// Returns a value from a server's `mntr` response, such as `zk_ephemerals_count`.
    #[must_use]
    pub fn figure(&self, index: usize, name: &str) -> Option<i64> {
        let answer = self.four_letter(index, "mntr");
        answer.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    fn wait_until_serving(&self, index: usize) -> Result<()> {
        let mut waited = Duration::ZERO;
        loop {
            let liveness = self.servers.lock().get_mut(index).map(Server::liveness);
            match liveness.context("no server has this index")? {
                // The liveness check above proves that the process at this port is our server.
                Liveness::Runs if self.mode(index).is_some() => return Ok(()),
                Liveness::Runs => {}
                Liveness::PortTaken => return Err(PortTaken.into()),
                Liveness::Ended => {
                    bail!("the server exited; its log ends with\n{}", self.log_end(index))
                }
            }
            ensure!(
                waited < SERVING_TIME_MAX,
                "the server does not respond; its log ends with\n{}",
                self.log_end(index)
            );
            pause();
            waited += PAUSE;
        }
    }

    fn log_end(&self, index: usize) -> String {
        self.servers.lock().get(index).map(Server::log_end).unwrap_or_default()
    }

    fn with_server(&self, index: usize, act: impl FnOnce(&mut Server)) {
        if let Some(server) = self.servers.lock().get_mut(index) {
            act(server);
        }
    }
}

/// Ends all processes before their folder is removed.
impl Drop for Ensemble {
    #[allow(clippy::print_stderr, reason = "output of a failed test")]
    fn drop(&mut self) {
        let is_panicking = std::thread::panicking();
        for (index, server) in self.servers.lock().iter_mut().enumerate() {
            server.kill();
            if is_panicking {
                eprintln!("--- end of the log of ZooKeeper server {index}\n{}", server.log_end());
            }
        }
    }
}

/// A port that was free is taken.
#[derive(Debug)]
struct PortTaken;

impl fmt::Display for PortTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of the server's ports is in use")
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
