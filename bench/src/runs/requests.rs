//! `requests`: requests that each kind of call makes to S3 and ZooKeeper, and their cost at a stated price.
//!
//! S3 requests are counted at the server. ZooKeeper operations are counted at its server too, less the operations
//! of an idle period: heartbeats continue regardless of calls.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use highlander::node::Node;
use highlander_core::activation::{Call, Consistency};
use highlander_core::id::ObjectId;
use highlander_core::registry::claims::Granularity;
use highlander_s3_server::faults::Operation;
use highlander_services::zookeeper::Ensemble;
use tokio::time::{Instant, sleep};

use super::Plan;
use super::s3::hot;
use crate::fixtures::{self, Blobs, Durability};
use crate::report::Report;

/// Assumed prices in dollars for a thousand writes, and for a thousand reads. Traffic and storage cost extra.
const PUT_PRICE: f64 = 0.005;
const GET_PRICE: f64 = 0.0004;
/// Number of objects, each called once in each way.
const OBJECT_COUNT: u32 = 300;
/// Time for which the idle servers are observed.
const IDLE: Duration = Duration::from_secs(10);
const PUTS: &str = "S3 writes per call";
const GETS: &str = "S3 reads per call";
const UPDATES: &str = "ZooKeeper writes per call";
const READS: &str = "ZooKeeper reads per call";
const PRICE: &str = "S3, dollars per million calls";

pub(super) async fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report::new("requests", "Requests to S3 and ZooKeeper per call");
    let ensemble = fixtures::ensemble(1, Durability::Synced)?;
    for (suffix, granularity) in [
        ("", Granularity::Object),
        (", its partition held", Granularity::Partitions(PARTITION_COUNT)),
    ] {
        let blobs = Blobs::start(&plan.artifacts).await?;
        let sessions = fixtures::sessions(&ensemble, "bench", granularity);
        let node =
            fixtures::node(&plan.artifacts, Arc::new(sessions), blobs.store().await?).await?;
        let counter = Counter { idle: idle_rate(&ensemble).await?, ensemble: &ensemble, blobs };
        of_cold_objects(&mut report, &counter, &node, suffix).await?;
        if granularity == Granularity::Object {
            of_warm_objects(&mut report, &counter, &node).await?;
            of_a_hot_object(plan, &mut report, &counter, &node).await?;
        }
        node.leave().await;
    }
    report.note(format!(
        "assumed prices: {PUT_PRICE} dollars per 1,000 writes, {GET_PRICE} per 1,000 reads; \
         ZooKeeper costs only its machines"
    ));
    report.note(
        "a claim whose parent znode does not exist yet takes two more writes; there are 4,096 parents, created once",
    );
    report.note(
        "in addition, a node sends ZooKeeper only heartbeats, one write per sixth of the session \
         timeout, a check of its claims every 4 s, and pings",
    );
    Ok(report)
}

/// Few, so that all are held after a few hundred objects.
const PARTITION_COUNT: u32 = 16;

/// Measures new objects, and objects that exist only in the store.
async fn of_cold_objects(
    report: &mut Report,
    counter: &Counter<'_>,
    node: &Arc<Node>,
    suffix: &str,
) -> Result<()> {
    // Earlier objects have claimed the partitions.
    each(node, "before", || fixtures::call_of("increment")).await?;
    let before = counter.now()?;
    each(node, "o", || fixtures::call_of("increment")).await?;
    counter.add(report, &format!("first update of a new object{suffix}"), &before, OBJECT_COUNT)?;
    let before = counter.now()?;
    deactivate(node).await?;
    counter.add(report, &format!("deactivation{suffix}"), &before, OBJECT_COUNT)?;
    for (name, handler) in [
        (format!("query of a cold object{suffix}"), "value"),
        (format!("first update of a cold object{suffix}"), "increment"),
    ] {
        let before = counter.now()?;
        each(node, "o", || fixtures::call_of(handler)).await?;
        counter.add(report, &name, &before, OBJECT_COUNT)?;
        if handler == "value" {
            deactivate(node).await?;
        }
    }
    Ok(())
}

/// Measures objects in memory, one call after another.
async fn of_warm_objects(
    report: &mut Report,
    counter: &Counter<'_>,
    node: &Arc<Node>,
) -> Result<()> {
    let strict = || Call { consistency: Consistency::Strict, ..fixtures::call_of("value") };
    let keyed = || fixtures::keyed(fixtures::call_of("increment"), "key");
    let before = counter.now()?;
    each(node, "o", || fixtures::call_of("value")).await?;
    counter.add(report, "query", &before, OBJECT_COUNT)?;
    let before = counter.now()?;
    each(node, "o", strict).await?;
    counter.add(report, "strict query", &before, OBJECT_COUNT)?;
    let before = counter.now()?;
    each(node, "o", || fixtures::call_of("increment")).await?;
    counter.add(report, "update", &before, OBJECT_COUNT)?;
    for name in ["keyed update", "keyed update, repeated"] {
        let before = counter.now()?;
        each(node, "o", keyed).await?;
        counter.add(report, name, &before, OBJECT_COUNT)?;
    }
    Ok(())
}

/// Measures one object that 64 clients update concurrently, on a store as slow as S3.
async fn of_a_hot_object(
    plan: &Plan,
    report: &mut Report,
    counter: &Counter<'_>,
    node: &Arc<Node>,
) -> Result<()> {
    counter.blobs.set_latency(Duration::from_millis(20));
    hot::load(node, plan.turn / 4).await?;
    let before = counter.now()?;
    let count = hot::load(node, plan.turn).await?;
    let name = "update, 64 callers of one object, 20 ms latency";
    counter.add(report, name, &before, u32::try_from(count)?)
}

/// Calls each object once.
async fn each(node: &Arc<Node>, prefix: &str, call: impl Fn() -> Call) -> Result<()> {
    for index in 0..OBJECT_COUNT {
        fixtures::done(node.call(&id(prefix, index)?, call()).await)?;
    }
    Ok(())
}

async fn deactivate(node: &Arc<Node>) -> Result<()> {
    for index in 0..OBJECT_COUNT {
        node.deactivate(&id("o", index)?).await;
    }
    Ok(())
}

fn id(prefix: &str, index: u32) -> Result<ObjectId> {
    fixtures::counter(&format!("{prefix}-{index}"))
}

/// Counters of the servers at one moment.
#[derive(Debug, Clone, Copy)]
struct Counts {
    at: Instant,
    puts: f64,
    gets: f64,
    updates: f64,
    reads: f64,
}

struct Counter<'a> {
    ensemble: &'a Ensemble,
    blobs: Blobs,
    /// ZooKeeper operations without calls: writes and reads per second.
    idle: (f64, f64),
}

impl Counter<'_> {
    fn now(&self) -> Result<Counts> {
        let (updates, reads) = operations(self.ensemble)?;
        let others = [Operation::Head, Operation::List, Operation::Delete];
        let others: f64 = others.into_iter().map(|other| self.blobs.count(other)).sum();
        Ok(Counts {
            at: Instant::now(),
            puts: self.blobs.count(Operation::Put),
            // Priced as reads, except listings, which should not occur.
            gets: self.blobs.count(Operation::Get) + others,
            updates,
            reads,
        })
    }

    /// Adds the requests per call since `before`.
    fn add(&self, report: &mut Report, name: &str, before: &Counts, calls: u32) -> Result<()> {
        let after = self.now()?;
        let (seconds, calls) = ((after.at - before.at).as_secs_f64(), f64::from(calls));
        let share = |after: f64, before: f64, idle: f64| {
            ((after - before - idle * seconds) / calls).max(0.0)
        };
        let (puts, gets) =
            (share(after.puts, before.puts, 0.0), share(after.gets, before.gets, 0.0));
        report.add(PUTS, name, rounded(puts));
        report.add(GETS, name, rounded(gets));
        report.add(UPDATES, name, rounded(share(after.updates, before.updates, self.idle.0)));
        report.add(READS, name, rounded(share(after.reads, before.reads, self.idle.1)));
        report.add(PRICE, name, (puts * PUT_PRICE + gets * GET_PRICE) * 1_000.0);
        Ok(())
    }
}

/// Rounds to a fiftieth: heartbeats cause an error of a few hundredths.
fn rounded(share: f64) -> f64 {
    (share * 50.0).round() / 50.0
}

/// Returns the writes and reads that a server has executed.
fn operations(ensemble: &Ensemble) -> Result<(f64, f64)> {
    let figure = |name| {
        let figure = ensemble.figure(0, name);
        figure
            .map(|count| count as f64)
            .with_context(|| format!("the server does not report {name}"))
    };
    Ok((figure("zk_cnt_updatelatency")?, figure("zk_cnt_readlatency")?))
}

async fn idle_rate(ensemble: &Ensemble) -> Result<(f64, f64)> {
    let (before, began) = (operations(ensemble)?, Instant::now());
    sleep(IDLE).await;
    let (after, seconds) = (operations(ensemble)?, began.elapsed().as_secs_f64());
    Ok(((after.0 - before.0) / seconds, (after.1 - before.1) / seconds))
}
