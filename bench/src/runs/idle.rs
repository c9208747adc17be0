//! `idle`: 10,000 objects, called once and left alone. Afterwards none is active, the memory is released, and each
//! still responds.
//!
//! Each round uses other objects. The first round is the significant one, because the node before it has hardly
//! worked.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::{Instant, sleep};

use super::{Plan, node_metric, touch, warm_up};
use crate::load::Target;
use crate::process::Server;
use crate::report::{Bound, Report};
use crate::samples::median;
use crate::subject;

const COUNT: u64 = 10_000;
const TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the allocator to return unused memory.
const DECAY: Duration = Duration::from_secs(2);
const MEGABYTE: f64 = 1e6;
const HIGHLANDER: &str = "highlander";
const BEFORE: &str = "memory before, MB";
const AFTER: &str = "memory after, MB";
const ACTIVE: &str = "active objects after";
const TEARDOWN: &str = "from the last call to the last teardown, s";
const AGAIN: &str = "calls per second of unloaded objects";

pub(super) async fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report::new("idle", "10,000 counters, called once, idle timeout 1 s");
    let settings = [("HIGHLANDER_OBJECTS__IDLE_TIMEOUT", "1s")];
    let server = subject::node(&plan.artifacts, &settings, &["counter"]).await?;
    warm_up(&server, &Target::counters("before", 1_000, "increment")).await?;
    until_idle(&server).await?;
    for round in 0..plan.round_count {
        turn(&mut report, &server, round).await?;
    }
    let pairs = report.samples(AFTER, HIGHLANDER).iter().zip(report.samples(BEFORE, HIGHLANDER));
    let growth: Vec<f64> = pairs.map(|(after, before)| after / before).collect();
    let first = growth.first().copied().unwrap_or_default();
    let active = report.median(ACTIVE, HIGHLANDER);
    report.aim("idle: memory after 10,000 objects, times before", Bound::AtMost, 1.2, first);
    let text = "idle: the same, median of all rounds";
    report.aim(text, Bound::AtMost, 1.2, median(&growth));
    report.aim("idle: active objects after", Bound::AtMost, 0.5, active);
    report.note("from round to round, the store's tables and caches fill up to their limits");
    Ok(report)
}

async fn turn(report: &mut Report, server: &Server, round: usize) -> Result<()> {
    report.add(BEFORE, HIGHLANDER, server.memory()? / MEGABYTE);
    let target = Target::counters(format!("idle-{round}-"), COUNT, "increment");
    touch(server, &target, COUNT).await?;
    let elapsed = until_idle(server).await?;
    report.add(TEARDOWN, HIGHLANDER, elapsed.as_secs_f64());
    report.add(ACTIVE, HIGHLANDER, node_metric(server, "highlander_active_objects ").await?);
    report.add(AFTER, HIGHLANDER, server.memory()? / MEGABYTE);
    let target = Target { handler: "value".to_owned(), ..target };
    let outcome = touch(server, &target, COUNT).await?;
    report.add(AGAIN, HIGHLANDER, outcome.per_second());
    until_idle(server).await?;
    Ok(())
}

/// Waits until no object is active and the allocator had time to return memory.
async fn until_idle(server: &Server) -> Result<Duration> {
    let began = Instant::now();
    while node_metric(server, "highlander_active_objects ").await? > 0.0 {
        ensure!(began.elapsed() < TIMEOUT, "objects are still active after {TIMEOUT:?}");
        sleep(Duration::from_millis(20)).await;
    }
    let elapsed = began.elapsed();
    sleep(DECAY).await;
    Ok(elapsed)
}
