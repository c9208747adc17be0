//! A node process with a separate data directory: start, stop, crash, restart.
//!
//! Each start takes a free port, so that tests do not collide; a [`Client`] is valid for one start only.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::artifacts;
use crate::client::Client;
use crate::command::{self, Ended};
use crate::compiled_code;
use crate::process::Process;
use crate::wait;

/// Configuration of a node, as environment variables and arguments.
#[derive(Debug, Clone, Default)]
pub struct Options {
    variables: Vec<(String, String)>,
    arguments: Vec<String>,
    is_compiling: bool,
}

impl Options {
    /// Creates the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one configuration key, such as `objects.idle_timeout`.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        let variable = format!("HIGHLANDER_{}", key.replace('.', "__").to_uppercase());
        self.variables.push((variable, value.to_owned()));
        self
    }

    /// Sets an arbitrary environment variable.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a command-line argument.
    #[must_use]
    pub fn with_argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Makes the node compile every component itself. Otherwise it gets the code that other nodes have compiled.
    #[must_use]
    pub fn compiling(mut self) -> Self {
        self.is_compiling = true;
        self
    }

    /// Adds the other options, which take precedence.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.variables.extend(others.variables.iter().cloned());
        self.arguments.extend(others.arguments.iter().cloned());
        self.is_compiling |= others.is_compiling;
        self
    }

    /// Copies compiled code into the data directory of a node that is about to start.
    pub(crate) fn provide_code(&self, data: &Path) {
        if !self.is_compiling {
            compiled_code::provide(data);
        }
    }

    /// Copies the compiled code of a node that has ended to where other nodes find it.
    pub(crate) fn collect_code(&self, data: &Path) {
        // A failed test has its own message, and a second panic would hide it.
        if !self.is_compiling && !std::thread::panicking() {
            compiled_code::collect(data);
        }
    }

    /// Applies the options to a command before its start.
    pub fn apply(&self, command: &mut Command) {
        command.envs(self.variables.iter().cloned()).args(&self.arguments);
    }
}

/// A node, running or not, and its data directory.
#[derive(Debug)]
pub struct Node {
    // Declared before the directory, so that the process ends before its data is removed.
    process: Option<Process>,
    url: String,
    options: Options,
    data: TempDir,
}

impl Node {
    /// Starts a node with these options, and waits until it is ready.
    pub async fn start(options: Options) -> Self {
        let data = tempfile::Builder::new().prefix("highlander-test-").tempdir().unwrap();
        let mut node = Self { process: None, url: String::new(), options, data };
        node.restart().await;
        node
    }

    /// Starts a node with default options, and deploys these components.
    pub async fn with_guests(guests: &[&str]) -> Self {
        Self::start_with(Options::new(), guests).await
    }

    /// Starts a node with these options, and deploys these components.
    pub async fn start_with(options: Options, guests: &[&str]) -> Self {
        let node = Self::start(options).await;
        for guest in guests {
            node.client().deploy(guest).await;
        }
        node
    }

    /// Kills the previous process, and starts a new one on the same data.
    pub async fn restart(&mut self) {
        self.kill9();
        self.options.provide_code(self.data.path());
        let (process, url) = launch(&mut self.command()).await;
        (self.process, self.url) = (Some(process), url);
    }

    /// Restarts the node at the same address.
    pub async fn restart_in_place(&mut self) {
        self.kill9();
        let address = self.url.trim_start_matches("http://").to_owned();
        let (process, url) = launch(&mut self.command_at(&address)).await;
        (self.process, self.url) = (Some(process), url);
    }

    /// Returns the command that starts the node.
    #[must_use]
    pub fn command(&self) -> Command {
        self.command_at("127.0.0.1:0")
    }

    fn command_at(&self, address: &str) -> Command {
        let mut command = Command::new(artifacts::binary());
        command.args(["dev", "--listen", address, "--data"]).arg(self.data());
        command::clear_environment(&mut command);
        self.options.apply(&mut command);
        command
    }

    /// Returns the data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Returns the URL of the node.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns a client of the current process.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// Returns the log so far.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.process.as_ref().map_or_else(Vec::new, Process::lines)
    }

    /// Kills the process with SIGKILL, as a crash would.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Returns the process id.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.running().id()
    }

    /// Returns the live child processes.
    #[must_use]
    pub fn children(&self) -> Vec<u32> {
        let parent = self.process_id().to_string();
        let is_child = |id: &u32| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            // After the name, which may contain any character, follow the state and the parent.
            let mut rest = stat.rsplit(") ").next().unwrap_or_default().split(' ');
            rest.next() != Some("Z") && rest.next() == Some(&parent)
        };
        let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
        entries.filter_map(|name| name.to_str()?.parse().ok()).filter(is_child).collect()
    }

    /// Returns the resident memory of the process, in bytes.
    #[must_use]
    pub fn rss(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: usize = line.trim().strip_suffix("kB").unwrap().trim().parse().unwrap();
        kib * 1024
    }

    /// Returns the number of open file descriptors of the process.
    #[must_use]
    pub fn descriptor_count(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process_id())).unwrap().count()
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        self.running().signal(signal);
    }

    /// Waits for the process to end, and returns its exit status.
    pub async fn end(&mut self) -> ExitStatus {
        self.process.as_mut().expect("the node runs").end().await
    }

    /// Sends SIGTERM, and returns the exit status.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.end().await
    }

    /// Runs a command of the binary against this node.
    pub async fn cli(&self, arguments: &[&str]) -> Ended {
        command::highlander().url(&self.url).run(arguments).await
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("the node runs")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill9();
        self.options.collect_code(self.data.path());
    }
}

/// Starts a node with any command, waits until it is ready, and also returns its URL.
pub async fn launch(command: &mut Command) -> (Process, String) {
    let mut process = Process::start(command);
    let line = process.line_with("listening on http://").await;
    let (_, url) = line.split_once("listening on ").unwrap();
    let url = url.trim().to_owned();
    let client = Client::new(&url);
    wait::until("the node is ready", async || client.is_ready().await).await;
    (process, url)
}
