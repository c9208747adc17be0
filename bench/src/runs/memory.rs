//! `warm`: memory of active objects without work.
//!
//! A **warm** object is claimed and has its state in memory; a **resident** one has an instance as well. The
//! benchmark adds objects in as many steps as there are rounds, and each step is a sample.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::sleep;

use super::{Length, Plan, node_metric, touch, warm_up};
use crate::load::Target;
use crate::process::Server;
use crate::report::{Bound, Report};
use crate::subject::{self, Subject};

const WARM_COUNT: u64 = 100_000;
const WARM_COUNT_FULL: u64 = 1_000_000;
const RESIDENT_COUNT: u64 = 2_500;
const BYTES: &str = "bytes per object";
const RATE: &str = "first updates per second";
const TOTAL: &str = "memory of the process, MB";
/// Time for the allocator to return unused memory.
const DECAY: Duration = Duration::from_millis(1_500);
const MILLION: f64 = 1e6;

pub(super) async fn run(plan: &Plan) -> Result<Report> {
    let is_full = plan.length == Length::Full;
    let count = if is_full { WARM_COUNT_FULL } else { WARM_COUNT };
    let title = if is_full { "1,000,000 active counters" } else { "100,000 active counters" };
    let mut report = Report::new("warm", title);
    let long = ("HIGHLANDER_OBJECTS__IDLE_TIMEOUT", "1h");
    let few = ("HIGHLANDER_SANDBOX__RESIDENT_MAX", "16");

    let server = subject::node(&plan.artifacts, &[long, few], &["counter"]).await?;
    fill(plan, &mut report, "highlander, warm", &server, count).await?;
    let active = node_metric(&server, "highlander_active_objects ").await?;
    ensure!(active >= count as f64, "only {active} objects are active");
    drop(server);

    let server = subject::node(&plan.artifacts, &[long], &["counter"]).await?;
    fill(plan, &mut report, "highlander, resident", &server, RESIDENT_COUNT).await?;
    let resident = node_metric(&server, "highlander_resident_objects ").await?;
    ensure!(resident >= RESIDENT_COUNT as f64, "only {resident} objects are resident");
    drop(server);

    let server = Subject::Native.start(&plan.artifacts).await?;
    fill(plan, &mut report, Subject::Native.name(), &server, WARM_COUNT).await?;

    let used = report.samples(TOTAL, "highlander, warm").last().copied().unwrap_or_default();
    let per_object = report.median(BYTES, "highlander, warm");
    let of_a_million = used + per_object * (MILLION - count as f64) / MILLION;
    let how = if is_full { "" } else { ", extrapolated" };
    let text = format!("warm: MB of 1,000,000 warm objects{how}");
    report.aim(text, Bound::AtMost, 2_500.0, of_a_million);
    report.note(format!("resident: {RESIDENT_COUNT} objects; bytes include the warm object's own"));
    report
        .note("memory is that of the process alone (RssAnon), with the store's tables and caches");
    Ok(report)
}

/// Creates `count` new objects in steps, by one durable update each.
async fn fill(
    plan: &Plan,
    report: &mut Report,
    name: &str,
    server: &Server,
    count: u64,
) -> Result<()> {
    warm_up(server, &Target::counters("before", 1, "increment")).await?;
    sleep(DECAY).await;
    let mut before = server.memory()?;
    report.add(TOTAL, name, before / MILLION);
    let step = count.div_ceil(plan.round_count as u64);
    for round in 0..plan.round_count {
        let target = Target::counters(format!("step-{round}-"), step, "increment");
        let outcome = touch(server, &target, step).await?;
        sleep(DECAY).await;
        let now = server.memory()?;
        report.add(BYTES, name, (now - before) / step as f64);
        report.add(RATE, name, outcome.per_second());
        report.add(TOTAL, name, now / MILLION);
        before = now;
    }
    Ok(())
}
