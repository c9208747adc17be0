//! A server as a child process: started on a free port, read through `/proc`, ended by its handle.
//!
//! Its standard error goes to a file in its data folder, where it also says which address it took.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// What a server says when it is ready, before its address.
pub(crate) const ANNOUNCEMENT: &str = "listening on http://";

const START_PATIENCE: Duration = Duration::from_secs(30);
/// Length of the kernel's unit of processor time in `/proc`, which is the same on all machines.
const TICK: Duration = Duration::from_millis(10);
const KIB: f64 = 1024.0;

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it answers.
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl Server {
    /// Runs `command` until it says where it listens.
    pub(crate) async fn start(mut command: Command, folder: TempDir) -> Result<Self> {
        let log = folder.path().join("server.log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let address = listening(&mut child, &log).await;
        if address.is_err() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        Ok(Self { child, address: address?, _folder: folder })
    }

    /// Processor time that it has used.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu_of(&self.child.id().to_string())
    }

    /// Bytes that it has in memory, files that it has mapped excepted.
    pub(crate) fn memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let line = line.context("/proc/PID/status has an unknown form")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * KIB)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Where it is gone already there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time that this very process has used.
pub(crate) fn own_cpu() -> Result<Duration> {
    cpu_of("self")
}

fn cpu_of(process: &str) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is a name in parentheses, which may hold anything; user and system time are 14th and 15th.
    let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat has an unknown form")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    let ticks: Vec<u32> = ticks.collect::<Result<_, _>>()?;
    Ok(TICK * ticks.iter().sum())
}

async fn listening(child: &mut Child, log: &Path) -> Result<SocketAddr> {
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(log)?;
        let said = text.split_once(ANNOUNCEMENT).and_then(|(_, rest)| rest.split_once('\n'));
        if let Some((address, _)) = said {
            return Ok(address.trim().parse()?);
        }
        if let Some(status) = child.try_wait()? {
            bail!("a server ended with {status} before it listened:\n{text}");
        }
        if began.elapsed() > START_PATIENCE {
            bail!("a server did not listen within {START_PATIENCE:?}:\n{text}");
        }
        sleep(Duration::from_millis(5)).await;
    }
}
