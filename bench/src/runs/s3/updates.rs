//! Updates of distinct objects through a node, compared with conditional PUTs of equal blobs by the same client.
//!
//! Each update is a separate write, because no object is updated concurrently. Real S3 takes 10 to 50 ms for a
//! request, so both are also measured with 20 ms added.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use highlander::node::Node;
use highlander::registry::local::{Directory, LocalSessions};
use highlander_core::store::{Condition, ETag};
use highlander_s3::S3;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::fixtures::{self, Blobs};
use crate::process::own_cpu;
use crate::report::{Bound, Report};
use crate::runs::Plan;

const CONCURRENCY: usize = 64;
/// Objects, and blobs, of each client.
const NAME_COUNT: usize = 16;
const LATENCIES: [(&str, Duration); 2] =
    [("no latency", Duration::ZERO), ("20 ms latency", Duration::from_millis(20))];
const RATE: &str = "writes per second";
const CPU: &str = "CPU of node, client and server per write, µs";

pub(in crate::runs) async fn run(plan: &Plan) -> Result<Report> {
    let title = "Updates of 1,024 objects through a node, and conditional PUTs, 64 at once";
    let mut report = Report::new("s3-updates", title);
    let blobs = Blobs::start(&plan.artifacts).await?;
    let sessions = Arc::new(LocalSessions::new(Directory::new(), "bench", "127.0.0.1:1"));
    let node = fixtures::node(&plan.artifacts, sessions, blobs.store().await?).await?;
    // Creates every object, and completes one-time compilation.
    let updates = Load::Updates(node);
    load(&updates, Duration::from_secs(1)).await?;
    let record = blobs.blob(&fixtures::counter(&name(0, 0))?.blob_key())?;
    let puts = Load::Puts(Arc::new(Puts::new(blobs.store().await?, record).await?));
    load(&puts, Duration::from_millis(500)).await?;
    let mut subjects = [("PUT", &puts), ("update", &updates)];
    for _ in 0..plan.round_count {
        // The second subject finds the disk as the first left it.
        subjects.reverse();
        for (latency_name, latency) in LATENCIES {
            blobs.set_latency(latency);
            for (load_name, subject) in subjects {
                let before = own_cpu()?;
                let (count, elapsed) = load(subject, plan.turn).await?;
                let cpu = own_cpu()?.saturating_sub(before);
                let subject = format!("{load_name}, {latency_name}");
                report.add(RATE, &subject, count as f64 / elapsed.as_secs_f64());
                report.add(CPU, &subject, cpu.as_secs_f64() * 1e6 / count.max(1) as f64);
            }
        }
    }
    for (name, _) in LATENCIES {
        let ratio = report.ratio(RATE, &format!("update, {name}"), &format!("PUT, {name}"));
        let text = format!("s3-updates: per second, times the rate of PUTs, {name}");
        report.aim(text, Bound::AtLeast, 0.9, ratio);
    }
    Ok(report)
}

/// Work of the 64 clients.
#[derive(Clone)]
enum Load {
    Puts(Arc<Puts>),
    Updates(Arc<Node>),
}

/// Blobs of a record's size.
struct Puts {
    store: Arc<S3>,
    record: Bytes,
    etag: ETag,
}

impl Puts {
    /// Creates all blobs.
    async fn new(store: Arc<S3>, record: Bytes) -> Result<Self> {
        let mut clients = JoinSet::new();
        for client in 0..CONCURRENCY {
            let (store, record) = (Arc::clone(&store), record.clone());
            clients.spawn(async move {
                let mut etag = None;
                for index in 0..NAME_COUNT {
                    let name = blob_name(client, index);
                    etag = Some(fixtures::put(&store, &name, &record, Condition::Absent).await?);
                }
                etag.context("no blob was written")
            });
        }
        let etags = clients.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
        let etag = etags.first().context("there are no clients")?.clone();
        Ok(Self { store, record, etag })
    }
}

fn name(client: usize, index: usize) -> String {
    format!("client-{client:02}-{index:02}")
}

fn blob_name(client: usize, index: usize) -> String {
    format!("puts/{}.json", name(client, index))
}

/// Runs all clients for `limit`, and returns the number of writes and the elapsed time.
async fn load(load: &Load, limit: Duration) -> Result<(u64, Duration)> {
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..CONCURRENCY {
        match load.clone() {
            Load::Puts(puts) => {
                clients.spawn(async move { put(&puts, client, began, limit).await })
            }
            Load::Updates(node) => {
                clients.spawn(async move { update(&node, client, began, limit).await })
            }
        };
    }
    let mut count = 0;
    while let Some(of_one) = clients.join_next().await {
        count += of_one??;
    }
    Ok((count, began.elapsed()))
}

/// Writes blobs in turn. The server gives equal bytes equal ETags, so one ETag is the condition of all writes.
async fn put(puts: &Puts, client: usize, began: Instant, limit: Duration) -> Result<u64> {
    let mut count = 0;
    loop {
        for index in 0..NAME_COUNT {
            if began.elapsed() >= limit {
                return Ok(count);
            }
            let condition = Condition::Matches(puts.etag.clone());
            fixtures::put(&puts.store, &blob_name(client, index), &puts.record, condition).await?;
            count += 1;
        }
    }
}

/// Updates objects in turn.
async fn update(node: &Node, client: usize, began: Instant, limit: Duration) -> Result<u64> {
    let mut count = 0;
    loop {
        for index in 0..NAME_COUNT {
            if began.elapsed() >= limit {
                return Ok(count);
            }
            fixtures::call(node, &fixtures::counter(&name(client, index))?, "increment").await?;
            count += 1;
        }
    }
}
