//! Client for ZooKeeper's four-letter words, with which a server describes itself.
//!
//! Replies are untrusted: their size and time are bounded, and anything that cannot be parsed counts as missing.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// ZooKeeper version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) [u32; 3]);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// Server settings that the checks use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) tick: Duration,
    /// In ticks; a standalone server has no such limit.
    pub(super) sync_limit: Option<u32>,
    pub(super) timeout_min: Duration,
    pub(super) timeout_max: Duration,
}

impl Settings {
    /// Returns the session timeout granted to a client that requests `asked`.
    pub(super) fn granted(&self, asked: Duration) -> Duration {
        asked.min(self.timeout_max).max(self.timeout_min)
    }

    /// Returns how long a follower keeps serving without its leader.
    pub(super) fn silence(&self) -> Option<Duration> {
        self.sync_limit.map(|ticks| self.tick * ticks)
    }
}

/// Self-description of one server.
#[derive(Debug, Clone, Default)]
pub(super) struct Server {
    pub(super) address: String,
    pub(super) version: Option<Version>,
    pub(super) mode: Option<String>,
    pub(super) settings: Option<Settings>,
    pub(super) znode_count: Option<u64>,
    pub(super) heap_mb: Option<u64>,
    /// Reason why the server does not respond.
    pub(super) error: Option<String>,
}

impl Server {
    /// Returns the reason why the server is not serving.
    pub(super) fn silence(&self) -> &str {
        self.error.as_deref().unwrap_or("it responds, but does not serve")
    }

    /// Parses the replies of the server at `address`.
    pub(super) fn read(address: &str, srvr: &str, conf: &str, mntr: &str, envi: &str) -> Self {
        Self {
            address: address.to_owned(),
            version: after(srvr, "Zookeeper version: ").and_then(version),
            mode: after(srvr, "Mode: ").map(str::to_owned),
            settings: settings(conf),
            znode_count: after(mntr, "zk_znode_count\t").and_then(|count| count.parse().ok()),
            heap_mb: after(envi, "os.memory.max=")
                .and_then(|size| size.strip_suffix("MB")?.parse().ok()),
            error: None,
        }
    }
}

/// Queries the server at `address` with all four-letter words.
pub(super) async fn describe(address: &str) -> Server {
    let srvr = match ask(address, "srvr").await {
        Ok(answer) => answer,
        Err(error) => {
            let (address, error) = (address.to_owned(), Some(error.to_string()));
            return Server { address, error, ..Server::default() };
        }
    };
    let rest = async |word| ask(address, word).await.unwrap_or_default();
    let (conf, mntr, envi) = (rest("conf").await, rest("mntr").await, rest("envi").await);
    Server::read(address, &srvr, &conf, &mntr, &envi)
}

async fn ask(address: &str, word: &str) -> io::Result<String> {
    let answer = timeout(ANSWER_TIMEOUT, async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(word.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    });
    answer
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no response in time")))
}

/// Returns the rest of the line that begins with `name`.
fn after<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn version(text: &str) -> Option<Version> {
    let numbers = text.split(['-', ',']).next()?;
    let mut parts = numbers.split('.').map(|part| part.parse().ok());
    Some(Version([parts.next()??, parts.next()??, parts.next()??]))
}

fn settings(conf: &str) -> Option<Settings> {
    let millis = |name| {
        after(conf, name)?.parse().ok().map(Duration::from_millis).filter(|time| !time.is_zero())
    };
    Some(Settings {
        tick: millis("tickTime=")?,
        sync_limit: after(conf, "syncLimit=").and_then(|limit| limit.parse().ok()),
        timeout_min: millis("minSessionTimeout=")?,
        timeout_max: millis("maxSessionTimeout=")?,
    })
}
