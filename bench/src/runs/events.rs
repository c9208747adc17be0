//! `events`: 10,000 idle subscribers on one node, and 1,000 subscribers of one object that all receive every
//! change.
//!
//! Subscribers are connections with server-sent events. Each reads up to the last version, and checks that none is
//! missing.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Length, Plan, node_metric, touch, warm_up};
use crate::load::Target;
use crate::process::Server;
use crate::report::{Bound, Report};
use crate::subject;

/// Number of objects that the idle subscribers share.
const OBJECT_COUNT: u64 = 1_000;
/// Object with many subscribers, as calls of the target `shared` name it.
const SHARED: &str = "shared0";
/// Changes in each round, sent to all subscribers of the object.
const CHANGE_COUNT: u64 = 50;
const TIMEOUT: Duration = Duration::from_secs(120);
/// Time for the allocator to return unused memory.
const DECAY: Duration = Duration::from_secs(2);
const HIGHLANDER: &str = "highlander";
const BYTES: &str = "bytes per idle subscriber";
const BEGUN: &str = "new subscribers per second";
const TOLD: &str = "events delivered per second";
const LAST: &str = "from one change to its last subscriber, ms";

pub(super) async fn run(plan: &Plan) -> Result<Report> {
    let is_quick = plan.length == Length::Quick;
    let (idle_count, shared_count) = if is_quick { (500, 100) } else { (10_000, 1_000) };
    let title = "Idle subscribers on one node, and many subscribers of one object";
    let mut report = Report::new("events", title);
    let settings = [("HIGHLANDER_OBJECTS__IDLE_TIMEOUT", "1h")];
    let server = subject::node(&plan.artifacts, &settings, &["counter"]).await?;
    warm_up(&server, &Target::counters("idle-", OBJECT_COUNT, "increment")).await?;

    sleep(DECAY).await;
    let (before, began) = (server.memory()?, Instant::now());
    let mut idle = Vec::with_capacity(idle_count);
    for n in 0..idle_count as u64 {
        let object = format!("idle-{}", n % OBJECT_COUNT);
        idle.push(Subscriber::begin(server.address, &object).await?);
    }
    report.add(BEGUN, HIGHLANDER, idle_count as f64 / began.elapsed().as_secs_f64());
    sleep(DECAY).await;
    report.add(BYTES, HIGHLANDER, (server.memory()? - before) / idle_count as f64);
    let watchers = node_metric(&server, "highlander_watchers ").await?;
    ensure!(watchers >= idle_count as f64, "only {watchers} subscribers are connected");

    let mut shared = Vec::with_capacity(shared_count);
    for _ in 0..shared_count {
        shared.push(Subscriber::begin(server.address, SHARED).await?);
    }
    for _ in 0..plan.round_count {
        let began = Instant::now();
        shared = tell(&server, shared, CHANGE_COUNT).await?;
        let told = shared_count as f64 * CHANGE_COUNT as f64;
        report.add(TOLD, HIGHLANDER, told / began.elapsed().as_secs_f64());
        let began = Instant::now();
        shared = tell(&server, shared, 1).await?;
        report.add(LAST, HIGHLANDER, began.elapsed().as_secs_f64() * 1e3);
    }
    let slow = node_metric(&server, "highlander_slow_watchers_total ").await?;
    let each = format!("events: subscribers of one object that missed an event, of {shared_count}");
    report.aim(each, Bound::AtMost, 0.5, slow);
    report.note(format!(
        "{idle_count} idle subscribers, of {OBJECT_COUNT} objects; {shared_count} of one object"
    ));
    report.note("memory is that of the process alone (RssAnon), without the kernel's sockets");
    report.note("the times include the load's own thread, which reads the subscribers' streams");
    drop(idle);
    Ok(report)
}

/// Changes the shared object `count` times, and lets every subscriber read all changes.
async fn tell(
    server: &Server,
    subscribers: Vec<Subscriber>,
    count: u64,
) -> Result<Vec<Subscriber>> {
    let mut reading = JoinSet::new();
    for mut subscriber in subscribers {
        let version = subscriber.version + count;
        reading.spawn(async move { subscriber.until(version).await.map(|()| subscriber) });
    }
    let target = Target::counters("shared", 1, "increment");
    touch(server, &target, count).await?;
    let all = async {
        let mut subscribers = Vec::new();
        while let Some(read) = reading.join_next().await {
            subscribers.push(read??);
        }
        anyhow::Ok(subscribers)
    };
    timeout(TIMEOUT, all).await.context("some subscribers did not receive every event")?
}

/// Client that subscribes to an object.
struct Subscriber {
    stream: TcpStream,
    /// Incomplete line read so far.
    line: Vec<u8>,
    /// Last version received.
    version: u64,
}

impl Subscriber {
    async fn begin(address: SocketAddr, key: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let head =
            format!("GET /v1/objects/counter/{key}/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut subscriber = Self { stream, line: Vec::new(), version: u64::MAX };
        timeout(TIMEOUT, subscriber.read(|version| version != u64::MAX)).await??;
        Ok(subscriber)
    }

    async fn until(&mut self, version: u64) -> Result<()> {
        self.read(|told| told >= version).await
    }

    /// Reads until the last version satisfies the condition.
    async fn read(&mut self, will_do: impl Fn(u64) -> bool) -> Result<()> {
        let mut bytes = [0; 4096];
        while !will_do(self.version) {
            let count = self.stream.read(&mut bytes).await?;
            ensure!(count > 0, "the node closed a stream");
            for byte in bytes.iter().take(count) {
                if *byte == b'\n' {
                    self.take_line()?;
                } else {
                    self.line.push(*byte);
                }
            }
        }
        Ok(())
    }

    fn take_line(&mut self) -> Result<()> {
        let line = std::mem::take(&mut self.line);
        let line = std::str::from_utf8(&line)?;
        if line.starts_with("HTTP/1.1 ") {
            ensure!(
                line.starts_with("HTTP/1.1 200 "),
                "the node rejected the subscription: {line}"
            );
        }
        let Some(id) = line.strip_prefix("id: ") else { return Ok(()) };
        let version: u64 =
            id.trim().parse().with_context(|| format!("{id:?} is not a valid version"))?;
        let is_next = self.version == u64::MAX || version == self.version + 1;
        ensure!(is_next, "received version {version} after {}", self.version);
        self.version = version;
        Ok(())
    }
}
