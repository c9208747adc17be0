//! `query` and `update`: calls per second, latency, and cost of a call at the server.
//!
//! The processor time of the server per call is the most reliable figure, because other work on the machine
//! affects it least. It includes the work of the server shortly after the last response.

use anyhow::Result;

use super::{Plan, SETTLING, warm_up};
use crate::load::{self, CONNECTION_COUNT, Target, Until};
use crate::process::Server;
use crate::report::{Bound, Report};
use crate::subject::Subject;

const RATE: &str = "calls per second";
const P50: &str = "p50, µs";
const P99: &str = "p99, µs";
const CPU: &str = "CPU per call, µs";
/// Number of objects that are updated in turn.
const UPDATED_COUNT: u64 = 1_000;

/// Measures queries of one object.
pub(super) async fn query(plan: &Plan) -> Result<Report> {
    let mut report = Report::new("query", "Query of a hot object, 64 connections");
    let subjects = [Subject::Highlander, Subject::Native, Subject::Constant];
    compare(plan, &mut report, &subjects, &Target::counters("hot", 1, "value")).await?;
    aim(&mut report, "query: CPU per call, times that of a native counter", 1.5);
    Ok(report)
}

/// Measures increments of 1,000 objects, each durable before its response.
pub(super) async fn update(plan: &Plan) -> Result<Report> {
    let mut report = Report::new("update", "Durable update of 1,000 objects, 64 connections");
    let target = Target::counters("u", UPDATED_COUNT, "increment");
    compare(plan, &mut report, &[Subject::Highlander, Subject::Native], &target).await?;
    aim(&mut report, "update: CPU per call, times that of a native counter", 2.0);
    Ok(report)
}

fn aim(report: &mut Report, text: &str, limit: f64) {
    let ratio = report.ratio(CPU, Subject::Highlander.name(), Subject::Native.name());
    report.aim(text, Bound::AtMost, limit, ratio);
}

async fn compare(
    plan: &Plan,
    report: &mut Report,
    subjects: &[Subject],
    target: &Target,
) -> Result<()> {
    let mut servers = Vec::new();
    for subject in subjects {
        let server = subject.start(&plan.artifacts).await?;
        // With updates, so that the object exists.
        let updates = Target { handler: "increment".to_owned(), ..target.clone() };
        warm_up(&server, &updates).await?;
        warm_up(&server, target).await?;
        servers.push((subject.name(), server));
    }
    for _ in 0..plan.round_count {
        for (name, server) in &servers {
            turn(plan, report, name, server, target).await?;
        }
    }
    Ok(())
}

async fn turn(
    plan: &Plan,
    report: &mut Report,
    name: &str,
    server: &Server,
    target: &Target,
) -> Result<()> {
    let cpu_before = server.cpu()?;
    let until = Until::Elapsed(plan.turn);
    let outcome = load::closed(server.address, target, CONNECTION_COUNT, until).await?;
    let outcome = outcome.all_done()?;
    tokio::time::sleep(SETTLING).await;
    let cpu = server.cpu()?.saturating_sub(cpu_before);
    report.add(RATE, name, outcome.per_second());
    report.add(P50, name, outcome.latencies.micros_at(0.5));
    report.add(P99, name, outcome.latencies.micros_at(0.99));
    report.add(CPU, name, cpu.as_secs_f64() * 1e6 / outcome.done_count.max(1) as f64);
    Ok(())
}
