//! `forward`: a query through a node that is not the owner, compared with the same query at the owner.
//!
//! The two nodes are real, with claims in ZooKeeper and records on S3. The processor time of both counts,
//! whichever receives the call. One client measures the latency; with 64 clients it consists mostly of waiting for
//! a processor.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::sleep;

use super::{Plan, SETTLING, touch};
use crate::cluster::Cluster;
use crate::load::{self, CONNECTION_COUNT, Target, Until};
use crate::process::Server;
use crate::report::{Bound, Report};
use crate::{http_client, subject};

/// Names of the nodes, to which each session appends a unique part.
const FIRST: &str = "first";
const SECOND: &str = "second";
const OWNER: &str = "at the owner";
const OTHER: &str = "through the other node";
const CPU: &str = "CPU of both nodes per call, µs";
const RATE: &str = "calls per second, 64 clients";
const P50: &str = "p50 of one client, µs";
const P99: &str = "p99 of one client, µs";

pub(super) async fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report::new("forward", "Query of a hot object on one of two nodes");
    let cluster = Cluster::start(&plan.artifacts, &[FIRST, SECOND]).await?;
    let [first, second] = cluster.nodes.as_slice() else { bail!("expected two nodes") };
    subject::deploy(&plan.artifacts, first, "counter").await?;
    let updates = Target::counters("hot", 1, "increment");
    touch(first, &updates, 1).await?;
    // The other node loads the type, and caches the owner.
    touch(second, &updates, 1).await?;
    let is_first = owner(first).await?.starts_with(FIRST);
    let (at_owner, elsewhere) = if is_first { (first, second) } else { (second, first) };
    let queries = Target::counters("hot", 1, "value");
    for server in [at_owner, elsewhere] {
        touch(server, &queries, 2_000).await?;
    }
    for _ in 0..plan.round_count {
        for (name, called) in [(OWNER, at_owner), (OTHER, elsewhere)] {
            turn(plan, &mut report, name, called, [first, second]).await?;
        }
    }
    let ratio = report.ratio(CPU, OTHER, OWNER);
    report.aim("forward: CPU of both nodes, times that at the owner", Bound::AtMost, 2.0, ratio);
    let p50 = report.median(P50, OTHER);
    report.aim("forward: p50 of one client, µs", Bound::AtMost, 1_000.0, p50);
    Ok(report)
}

async fn turn(
    plan: &Plan,
    report: &mut Report,
    name: &str,
    called: &Server,
    nodes: [&Server; 2],
) -> Result<()> {
    let queries = Target::counters("hot", 1, "value");
    let cpu = || nodes.iter().map(|node| node.cpu()).sum::<Result<Duration>>();
    let before = cpu()?;
    let until = Until::Elapsed(plan.turn);
    let outcome = load::closed(called.address, &queries, CONNECTION_COUNT, until).await?;
    let outcome = outcome.all_done()?;
    sleep(SETTLING).await;
    let used = cpu()?.saturating_sub(before);
    report.add(CPU, name, used.as_secs_f64() * 1e6 / outcome.done_count.max(1) as f64);
    report.add(RATE, name, outcome.per_second());
    let until = Until::Elapsed(plan.turn / 2);
    let alone = load::closed(called.address, &queries, 1, until).await?.all_done()?;
    report.add(P50, name, alone.latencies.micros_at(0.5));
    report.add(P99, name, alone.latencies.micros_at(0.99));
    Ok(())
}

/// Returns the node that owns the hot object.
async fn owner(node: &Server) -> Result<String> {
    let text = http_client::get(node.address, "/v1/objects/counter/hot0/owner").await?.done()?;
    let document: serde_json::Value = serde_json::from_str(&text)?;
    let owner = document.get("node").and_then(|node| node.as_str()).map(str::to_owned);
    owner.with_context(|| format!("the object has no owner: {text}"))
}
