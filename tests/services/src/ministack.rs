//! ministack: a third-party in-memory S3 server, as a process.
//!
//! It is a Python package, which `cargo xtask test` installs into `target/ministack`. Its data is lost when it
//! ends, and it checks no signature.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ports;
use crate::process::Process;

/// Python starts slowly on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
/// Another process may take a port that was free a moment ago.
const START_ATTEMPT_COUNT_MAX: usize = 3;

/// A running ministack, which ends when this value is dropped.
#[derive(Debug)]
pub struct Ministack {
    process: Process,
    address: SocketAddr,
    /// Folder of its files and its log.
    dir: TempDir,
}

impl Ministack {
    /// Starts it on a free port of this machine, and waits until it responds and has an empty bucket of this name.
    ///
    /// # Errors
    /// If it is not installed, or does not start.
    ///
    /// # Cancel safety
    /// Dropping the future ends the process.
    pub async fn start(bucket: &str) -> Result<Self> {
        let program = program()?;
        let mut attempt = 1;
        loop {
            match Self::start_once(&program, bucket).await {
                Err(_) if attempt < START_ATTEMPT_COUNT_MAX => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn start_once(program: &Path, bucket: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let address = ports::free_address()?;
        let log = std::fs::File::create(dir.path().join("log"))?;
        let mut command = Command::new(program);
        command
            .current_dir(dir.path())
            .env("GATEWAY_PORT", address.port().to_string())
            // By default it listens on all interfaces.
            .env("BIND_HOST", address.ip().to_string())
            .env("SERVICES", "s3")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = Process::start(&mut command)?;
        let mut ministack = Self { process, address, dir };
        let making = tokio::time::timeout(START_TIMEOUT, ministack.make_bucket(bucket));
        let outcome = making.await.context("the server does not answer").flatten();
        outcome.with_context(|| format!("ministack did not start:\n{}", ministack.log()))?;
        Ok(ministack)
    }

    /// Returns its URL, an endpoint for S3 clients; they must address the bucket by path, not by host name.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    async fn make_bucket(&mut self, bucket: &str) -> Result<()> {
        loop {
            if let Some(status) = self.process.exit_status() {
                bail!("the process ended: {status}");
            }
            match put_bucket(self.address, bucket).await {
                Ok(200) => return Ok(()),
                Ok(status) => bail!("creating bucket {bucket} returned status {status}"),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

/// Returns `HIGHLANDER_MINISTACK`, or the path to which `cargo xtask test` installs it, next to the test's own
/// folder.
fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("HIGHLANDER_MINISTACK") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let target = test
        .ancestors()
        .find(|folder| folder.join("debug").is_dir() || folder.join("release").is_dir());
    let path = target.context("cannot find the target directory")?.join("ministack/bin/ministack");
    if !path.is_file() {
        let folder = path.ancestors().nth(2).unwrap_or(&path).display();
        bail!(
            "{} is missing\n\
             hint: cargo xtask test installs it, as does\n\
             python3 -m venv {folder} && {folder}/bin/pip install ministack==1.5.33",
            path.display()
        );
    }
    Ok(path)
}

/// Creates the bucket with a handwritten request, because S3 clients here require a bucket. Returns the status.
async fn put_bucket(address: SocketAddr, bucket: &str) -> io::Result<u16> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "PUT /{bucket} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::other(format!("no status in {answer:?}")))
}
