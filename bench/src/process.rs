//! Server as a child process: started on a free port, measured through `/proc`, ended by its handle.
//!
//! Its standard error goes to a file in its data folder, which also contains the address that it reports.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use highlander_services::process::Process;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// Text before the address in the line that a ready server prints.
pub(crate) const ANNOUNCEMENT: &str = "listening on http://";

const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Unit of processor time in `/proc`: 10 ms on all machines.
const TICK: Duration = Duration::from_millis(10);
const KIB: f64 = 1024.0;

/// Running server. Its process ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    /// Address at which it listens.
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl Server {
    /// Runs `command` until it reports its address.
    pub(crate) async fn start(mut command: Command, folder: TempDir) -> Result<Self> {
        let log = folder.path().join("server.log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let mut process = Process::start(&mut command)?;
        let address = listening(&mut process, &log).await?;
        Ok(Self { process, address, _folder: folder })
    }

    /// Returns the processor time that the process has used.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu_of(&self.process.id().to_string())
    }

    /// Returns the bytes that the process has in memory, without mapped files.
    pub(crate) fn memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let line = line.context("unexpected format of /proc/PID/status")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * KIB)
    }
}

/// Returns the processor time that this process has used.
pub(crate) fn own_cpu() -> Result<Duration> {
    cpu_of("self")
}

fn cpu_of(process: &str) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is a name in parentheses with any content; user and system time are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').context("unexpected format of /proc/PID/stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    let ticks: Vec<u32> = ticks.collect::<Result<_, _>>()?;
    Ok(TICK * ticks.iter().sum())
}

async fn listening(process: &mut Process, log: &Path) -> Result<SocketAddr> {
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(log)?;
        let said = text.split_once(ANNOUNCEMENT).and_then(|(_, rest)| rest.split_once('\n'));
        if let Some((address, _)) = said {
            return Ok(address.trim().parse()?);
        }
        if let Some(status) = process.exit_status() {
            bail!("a server exited ({status}) before it listened:\n{text}");
        }
        if began.elapsed() > START_TIMEOUT {
            bail!("a server did not listen within {START_TIMEOUT:?}:\n{text}");
        }
        sleep(Duration::from_millis(5)).await;
    }
}
