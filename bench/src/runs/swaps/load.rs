//! `swap-load`: calls of many objects on three nodes, during successive roll-outs and without.
//!
//! Windows of either kind alternate. In each, 64 clients call as fast as they get responses, and then at a fixed
//! rate: with fully used processors, the first load consists mostly of waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use tokio::task::JoinHandle;

use super::Alternation;
use crate::cluster::Cluster;
use crate::load::{self, CONNECTION_COUNT, Target, Until};
use crate::report::Report;
use crate::runs::Plan;

const OBJECT_COUNT: u64 = 200;
/// Calls per second of the second load.
const FIXED_RATE: u64 = 300;
/// Handlers, and the names of both kinds of windows.
const KINDS: [(&str, [&str; 2]); 2] = [
    ("value", ["queries", "queries, roll-outs"]),
    ("increment", ["updates", "updates, roll-outs"]),
];
const RATE: &str = "calls per second, 64 clients";
const P99: &str = "p99, 64 clients, µs";
const FIXED_P50: &str = "p50 at 300 calls per second, µs";
const FIXED_P99: &str = "p99 at 300 calls per second, µs";
const ROLLOUTS: &str = "roll-outs per second";

pub(in crate::runs) async fn run(plan: &Plan) -> Result<Report> {
    let title = "Calls of 200 objects on 3 nodes, with and without roll-outs";
    let mut report = Report::new("swap-load", title);
    let cluster = Cluster::start(&plan.artifacts, &["first", "second", "third"]).await?;
    let mut alternation = Alternation::new(plan, cluster.address()?, "counter").await?;
    for (handler, _) in KINDS.into_iter().rev() {
        cluster.fill(&target(handler)).await?;
    }
    for _ in 0..plan.round_count {
        for (handler, [without, with]) in KINDS {
            window(plan, &mut report, &cluster, (without, handler)).await?;
            let rollouts = Rollouts::begin(alternation);
            let measured = window(plan, &mut report, &cluster, (with, handler)).await;
            let (present, per_second) = rollouts.end().await?;
            measured?;
            report.add(ROLLOUTS, with, per_second);
            alternation = present;
        }
    }
    for (_, [without, with]) in KINDS {
        let ratios = [RATE, P99, FIXED_P50, FIXED_P99]
            .map(|metric| format!("{metric}: {:.2}", report.ratio(metric, with, without)));
        report.note(format!("{with}, times those without: {}", ratios.join("; ")));
    }
    report.note("no call failed");
    Ok(report)
}

fn target(handler: &str) -> Target {
    Target::counters("loaded", OBJECT_COUNT, handler)
}

/// Measures one window of both loads.
async fn window(
    plan: &Plan,
    report: &mut Report,
    cluster: &Cluster,
    (name, handler): (&str, &str),
) -> Result<()> {
    let (addresses, target) = (cluster.addresses(), target(handler));
    let until = Until::Elapsed(plan.turn);
    let loading = load::closed_over(&addresses, &target, CONNECTION_COUNT, until);
    let outcome = loading.await?.all_done()?;
    report.add(RATE, name, outcome.per_second());
    report.add(P99, name, outcome.latencies.micros_at(0.99));
    let outcome = load::open(&addresses, &target, FIXED_RATE, plan.turn).await?;
    let outcome = outcome.all_done()?;
    report.add(FIXED_P50, name, outcome.latencies.micros_at(0.5));
    report.add(FIXED_P99, name, outcome.latencies.micros_at(0.99));
    Ok(())
}

/// Successive roll-outs.
struct Rollouts {
    work: JoinHandle<Result<(Alternation, f64)>>,
    is_over: Arc<AtomicBool>,
}

impl Rollouts {
    fn begin(mut alternation: Alternation) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&is_over);
        let work = tokio::spawn(async move {
            let began = tokio::time::Instant::now();
            let mut count = 0_u32;
            while !watched.load(Ordering::Relaxed) {
                alternation.next().await?;
                count += 1;
            }
            ensure!(count > 0, "no roll-out finished while calls were measured");
            Ok((alternation, f64::from(count) / began.elapsed().as_secs_f64()))
        });
        Self { work, is_over }
    }

    /// Waits for the last roll-out, and returns the roll-outs per second.
    async fn end(self) -> Result<(Alternation, f64)> {
        self.is_over.store(true, Ordering::Relaxed);
        self.work.await?
    }
}
