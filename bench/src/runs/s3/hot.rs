//! Updates of one object by 64 clients, with 20 ms added to every request to S3.
//!
//! As `hot-object`, whose store is in memory, but through the S3 client and a server that syncs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use highlander::node::Node;
use highlander::registry::local::{Directory, LocalSessions};
use highlander_s3_server::faults::Operation;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::fixtures::{self, Blobs};
use crate::report::{Bound, Report};
use crate::runs::Plan;

const CLIENT_COUNT: usize = 64;
const LATENCY: Duration = Duration::from_millis(20);
const UPDATES: &str = "updates per second";
const WRITES: &str = "PUTs per second";
const SHARED: &str = "updates per PUT";
const SUBJECT: &str = "highlander";

pub(in crate::runs) async fn run(plan: &Plan) -> Result<Report> {
    let mut report =
        Report::new("s3-hot", "Updates of one object by 64 clients, S3 with 20 ms latency");
    let blobs = Blobs::start(&plan.artifacts).await?;
    let sessions = Arc::new(LocalSessions::new(Directory::new(), "bench", "127.0.0.1:1"));
    let node = fixtures::node(&plan.artifacts, sessions, blobs.store().await?).await?;
    blobs.set_latency(LATENCY);
    load(&node, plan.turn / 4).await?;
    for _ in 0..plan.round_count {
        let (puts_before, began) = (blobs.count(Operation::Put), Instant::now());
        let updates = load(&node, plan.turn).await? as f64;
        let (puts, seconds) =
            (blobs.count(Operation::Put) - puts_before, began.elapsed().as_secs_f64());
        report.add(UPDATES, SUBJECT, updates / seconds);
        report.add(WRITES, SUBJECT, puts / seconds);
        report.add(SHARED, SUBJECT, updates / puts.max(1.0));
    }
    let rate = report.median(UPDATES, SUBJECT);
    report.aim("s3-hot: updates of one object per second", Bound::AtLeast, 2_000.0, rate);
    Ok(report)
}

/// Runs increments from all clients, each after its response, and returns their number.
pub(in crate::runs) async fn load(node: &Arc<Node>, limit: Duration) -> Result<u64> {
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENT_COUNT {
        let node = Arc::clone(node);
        clients.spawn(async move {
            let id = fixtures::counter("hot")?;
            let mut count = 0;
            while began.elapsed() < limit {
                fixtures::call(&node, &id, "increment").await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(of_one) = clients.join_next().await {
        count += of_one??;
    }
    Ok(count)
}
