//! One ZooKeeper server: its files and its process.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::Config;
use crate::ports;
use crate::process::Process;

/// Debian's folder of jars; each jar's manifest adds its dependencies.
const JAR_FOLDER: &str = "/usr/share/java";
const JARS: [&str; 7] = [
    "zookeeper",
    "slf4j-simple",
    "snappy-java",
    "metrics-core",
    // For TLS.
    "netty-codec",
    "netty-resolver",
    "netty-transport-native-unix-common",
];
const MAIN_CLASS: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
/// Longest wait for the response to a four-letter word.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for an orderly end in [`Server::stop`], before it kills the process.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const LOG_LINES: usize = 30;

/// Files and ports of one server.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) client_port: u16,
    pub(super) secure_port: Option<u16>,
    arguments: Vec<String>,
    log: PathBuf,
}

/// Writes the settings of every server below `folder`.
pub(super) fn lay_out(config: &Config, folder: &Path) -> Result<Vec<Layout>> {
    let zookeeper = Path::new(JAR_FOLDER).join("zookeeper.jar");
    ensure!(
        zookeeper.is_file(),
        "{} is missing\nhint: apt-get install -y --no-install-recommends \
         openjdk-17-jre-headless libzookeeper-java libslf4j-java",
        zookeeper.display()
    );
    let ports = ports::free(config.server_count * 4)?;
    let ports: Vec<_> = ports.as_chunks::<4>().0.to_vec();
    (0..config.server_count)
        .map(|index| lay_out_one(config, &ports, index, &folder.join(index.to_string())))
        .collect()
}

fn lay_out_one(config: &Config, ports: &[[u16; 4]], index: usize, folder: &Path) -> Result<Layout> {
    let &[client_port, secure_port, ..] = ports.get(index).context("no ports for this server")?;
    fs::create_dir_all(folder.join("data"))?;
    let mut text = settings(config, client_port, folder)?;
    if config.server_count > 1 {
        text += &peers(config, ports, index)?;
        fs::write(folder.join("data/myid"), (index + 1).to_string())?;
    }
    if config.tls.is_some() {
        text += &secure_settings(config, secure_port)?;
    }
    let settings = folder.join("zoo.cfg");
    fs::write(&settings, text)?;
    Ok(Layout {
        client_port,
        secure_port: config.tls.is_some().then_some(secure_port),
        arguments: arguments(config, &settings),
        log: folder.join("log"),
    })
}

fn settings(config: &Config, client_port: u16, folder: &Path) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "dataDir={}", folder.join("data").display())?;
    writeln!(text, "clientPort={client_port}\nclientPortAddress=127.0.0.1")?;
    writeln!(text, "tickTime={}", config.tick_ms)?;
    writeln!(text, "initLimit=20\nsyncLimit={}", config.sync_limit)?;
    writeln!(text, "minSessionTimeout={}", config.session_timeout_min_ms)?;
    writeln!(text, "maxSessionTimeout={}", config.session_timeout_max_ms)?;
    writeln!(text, "maxClientCnxns=0\n4lw.commands.whitelist=*")?;
    for line in &config.lines {
        writeln!(text, "{line}")?;
    }
    Ok(text)
}

fn peers(config: &Config, ports: &[[u16; 4]], index: usize) -> Result<String> {
    let mut text = String::new();
    for (other, &[_, _, peer_port, election_port]) in ports.iter().enumerate() {
        let mut peer = format!("127.0.0.1:{peer_port}");
        if let Some(route) = config.route.as_ref().filter(|_| other != index) {
            peer = route(index, other, peer);
        }
        writeln!(text, "server.{}={peer}:{election_port}", other + 1)?;
    }
    Ok(text)
}

fn secure_settings(config: &Config, port: u16) -> Result<String> {
    let mut text = String::new();
    if let Some(tls) = &config.tls {
        let need = if tls.needs_client_certificate { "need" } else { "none" };
        writeln!(text, "secureClientPort={port}\nsecureClientPortAddress=127.0.0.1")?;
        writeln!(text, "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory")?;
        writeln!(text, "ssl.keyStore.type=PEM\nssl.keyStore.location={}", tls.identity.display())?;
        writeln!(
            text,
            "ssl.trustStore.type=PEM\nssl.trustStore.location={}",
            tls.client_ca.display()
        )?;
        writeln!(text, "ssl.clientAuth={need}")?;
    }
    Ok(text)
}

fn arguments(config: &Config, settings: &Path) -> Vec<String> {
    let heap = config.heap_mb;
    let mut arguments = vec![
        format!("-Xms{heap}m"),
        format!("-Xmx{heap}m"),
        "-XX:+UseSerialGC".to_owned(),
        // Servers live for seconds: the second compiler would cost more than it gains.
        "-XX:TieredStopAtLevel=1".to_owned(),
        "-Djava.net.preferIPv4Stack=true".to_owned(),
        "-Dzookeeper.admin.enableServer=false".to_owned(),
        "-Dzookeeper.jmx.log4j.disable=true".to_owned(),
        "-Djute.maxbuffer=8388608".to_owned(),
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".to_owned(),
        "-Dorg.slf4j.simpleLogger.showDateTime=true".to_owned(),
    ];
    if !config.has_force_sync {
        arguments.push("-Dzookeeper.forceSync=no".to_owned());
    }
    arguments.extend(config.java_arguments.iter().cloned());
    let jars: Vec<_> = JARS.iter().map(|jar| format!("{JAR_FOLDER}/{jar}.jar")).collect();
    arguments.extend(["-cp".to_owned(), jars.join(":"), MAIN_CLASS.to_owned()]);
    arguments.push(settings.display().to_string());
    arguments
}

/// State of a server's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Liveness {
    Runs,
    PortTaken,
    Ended,
}

/// One server, running or not.
#[derive(Debug)]
pub(super) struct Server {
    layout: Layout,
    process: Option<Process>,
    /// Offset at which the log of the current process begins.
    log_start: usize,
}

impl Server {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, process: None, log_start: 0 }
    }

    pub(super) fn start(&mut self) -> Result<()> {
        self.log_start = self.log().len();
        let log = File::options().create(true).append(true).open(&self.layout.log)?;
        let mut java = Command::new("java");
        java.args(&self.layout.arguments).stdin(Stdio::null());
        java.stdout(log.try_clone()?).stderr(log);
        // A separate process group: a Ctrl-C at the terminal reaches only the parent, which then ends the server.
        java.process_group(0);
        self.process = Some(Process::start(&mut java)?);
        Ok(())
    }

    pub(super) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    pub(super) fn kill(&mut self) {
        self.process = None;
    }

    pub(super) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop(STOP_TIMEOUT);
        }
    }

    pub(super) fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    pub(super) fn liveness(&mut self) -> Liveness {
        let log = self.log();
        if log.get(self.log_start..).unwrap_or_default().contains("Address already in use") {
            return Liveness::PortTaken;
        }
        let process = self.process.as_mut();
        let runs = process.is_some_and(|process| process.exit_status().is_none());
        if runs { Liveness::Runs } else { Liveness::Ended }
    }

    /// Returns the last lines of the server's log.
    pub(super) fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n")
    }

    fn log(&self) -> String {
        let bytes = fs::read(&self.layout.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Sends a four-letter word, and returns the complete response.
pub(super) fn ask(address: &str, word: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address.parse()?, ANSWER_TIMEOUT)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(word.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
