//! Benchmarks by name, their shared code, and their order.
//!
//! Targets alternate: A B C A B C …, so that a temporary disturbance of the machine affects all of them.

mod alarms;
mod costs;
mod events;
mod first_call;
mod forward;
mod hostile;
mod hot_object;
mod idle;
mod locks;
mod memory;
mod objects;
mod requests;
mod s3;
mod shares;
mod swaps;
mod throughput;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::artifacts::Artifacts;
use crate::fixtures;
use crate::host_info::Facts;
use crate::http_client;
use crate::load::{self, CONNECTION_COUNT, Target, Until};
use crate::process::Server;
use crate::report::{self, Report};

/// Default number of rounds, except for a quick run.
const ROUND_COUNT: usize = 5;
/// Pause between two measurements, so that work left over from one does not fall into the next.
const SETTLING: Duration = Duration::from_millis(200);

/// Benchmark, or group of benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// All benchmarks, in order
    All,
    /// Queries of a hot object
    Query,
    /// Durable updates of 1,000 objects
    Update,
    /// First call of a new object
    FirstCall,
    /// Updates of one object on a slow store
    HotObject,
    /// Memory of many warm objects
    Warm,
    /// Memory after objects went idle
    Idle,
    /// Idle subscribers, and many subscribers of one object
    Events,
    /// Other objects next to a hostile one
    Hostile,
    /// Other objects before, during and after attacks by other types
    Shares,
    /// Times and memory of one instance
    Costs,
    /// All benchmarks that begin with `lock-`
    Locks,
    /// Rates of taking and releasing claims in ZooKeeper
    LockRates,
    /// Memory of claims on ZooKeeper's servers
    LockMemory,
    /// End of a session with many claims
    LockClose,
    /// Activations with and without partitions
    LockPartitions,
    /// All benchmarks that begin with `s3-`
    S3,
    /// Updates of many objects on S3
    S3Updates,
    /// Updates of one object on a slow S3
    S3Hot,
    /// First call of an object on S3
    S3Activation,
    /// Calls through a node that is not the owner
    Forward,
    /// Calls between objects, on one node and across nodes
    Objects,
    /// Delay of alarms that are due within one minute
    Alarms,
    /// Requests to S3 and ZooKeeper by each kind of call, and their cost
    Requests,
    /// All benchmarks that begin with `swap-`
    Swaps,
    /// Pause of one object that changes to another revision
    SwapPause,
    /// Time from a deployment until all objects of three nodes run it
    SwapServed,
    /// Calls during roll-outs and without them
    SwapLoad,
    /// Rate at which a rehearsal reads states, compared with the bare store client
    SwapRehearsal,
}

impl Name {
    /// Returns the benchmarks of a group.
    fn measured(self) -> Vec<Self> {
        let locks = [Self::LockRates, Self::LockMemory, Self::LockClose, Self::LockPartitions];
        let s3 = [Self::S3Updates, Self::S3Hot, Self::S3Activation];
        let swaps = [Self::SwapPause, Self::SwapServed, Self::SwapLoad, Self::SwapRehearsal];
        let groups = [Self::All, Self::Locks, Self::S3, Self::Swaps];
        let is_one = |name: &Self| !groups.contains(name);
        match self {
            Self::All => Self::value_variants().iter().copied().filter(is_one).collect(),
            Self::Locks => locks.to_vec(),
            Self::S3 => s3.to_vec(),
            Self::Swaps => swaps.to_vec(),
            one => vec![one],
        }
    }
}

/// Duration of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Just long enough to execute everything once.
    Quick,
    Usual,
    /// For published figures.
    Full,
}

/// Extent and prerequisites of the measurements.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) artifacts: Artifacts,
    facts: Facts,
    results: PathBuf,
    pub(crate) length: Length,
    pub(crate) round_count: usize,
    /// Duration of one turn of a subject.
    pub(crate) turn: Duration,
}

impl Plan {
    pub(crate) fn new(length: Length, round_count: Option<usize>) -> Result<Self> {
        let artifacts = Artifacts::find()?;
        let facts = Facts::gather(artifacts.data_folder()?.path())?;
        println!("machine: {}", facts.describe());
        let (usual_round_count, turn) = match length {
            Length::Quick => (1, Duration::from_millis(500)),
            Length::Usual => (ROUND_COUNT, Duration::from_secs(2)),
            Length::Full => (ROUND_COUNT, Duration::from_secs(10)),
        };
        Ok(Self {
            results: artifacts.root.join("bench-results"),
            artifacts,
            facts,
            length,
            round_count: round_count.unwrap_or(usual_round_count).max(1),
            turn,
        })
    }
}

/// Runs the named benchmarks, and publishes each report as soon as it is complete.
pub(crate) async fn run(name: Name, plan: &Plan) -> Result<()> {
    let mut reports = Vec::new();
    for name in name.measured() {
        let value = name.to_possible_value().context("the benchmark has no name")?;
        eprintln!("measuring: {}", value.get_name());
        let report = measure(name, plan).await;
        let report = report.with_context(|| format!("cannot measure {}", value.get_name()))?;
        report.publish(&plan.results, &plan.facts)?;
        reports.push(report);
    }
    if reports.len() > 1 {
        println!("\nAims\n\n{}", report::summary(reports.iter().flat_map(|report| &report.aims)));
    }
    println!("\nwritten to {}", plan.results.display());
    Ok(())
}

async fn measure(name: Name, plan: &Plan) -> Result<Report> {
    match name {
        Name::All | Name::Locks | Name::S3 | Name::Swaps => {
            unreachable!("it stands for several benchmarks")
        }
        Name::Query => throughput::query(plan).await,
        Name::Update => throughput::update(plan).await,
        Name::FirstCall => first_call::run(plan).await,
        Name::HotObject => hot_object::run(plan),
        Name::Warm => memory::run(plan).await,
        Name::Idle => idle::run(plan).await,
        Name::Events => events::run(plan).await,
        Name::Hostile => hostile::run(plan).await,
        Name::Shares => shares::run(plan).await,
        Name::Costs => costs::run(plan),
        Name::LockRates => fixtures::in_threads(|| locks::rates::run(plan)),
        Name::LockMemory => fixtures::in_threads(locks::memory::run),
        Name::LockClose => fixtures::in_threads(|| locks::close::run(plan)),
        Name::LockPartitions => fixtures::in_threads(|| locks::partitions::run(plan)),
        Name::S3Updates => fixtures::in_threads(|| s3::updates::run(plan)),
        Name::S3Hot => fixtures::in_threads(|| s3::hot::run(plan)),
        Name::S3Activation => fixtures::in_threads(|| s3::activation::run(plan)),
        Name::Forward => forward::run(plan).await,
        Name::Objects => objects::run(plan).await,
        Name::Alarms => alarms::run(plan).await,
        Name::Requests => fixtures::in_threads(|| requests::run(plan)),
        Name::SwapPause => swaps::upgrade_latency::run(plan).await,
        Name::SwapServed => fixtures::in_threads(|| swaps::rollout_time::run(plan)),
        Name::SwapLoad => fixtures::in_threads(|| swaps::load::run(plan)),
        Name::SwapRehearsal => fixtures::in_threads(|| swaps::rehearsal::run(plan)),
    }
}

/// Calls each object once, over many connections.
async fn touch(server: &Server, target: &Target, count: u64) -> Result<load::Outcome> {
    let outcome = load::closed(server.address, target, CONNECTION_COUNT, Until::Count(count)).await;
    outcome?.all_done()
}

/// Warms up a server for a target, without recording results.
async fn warm_up(server: &Server, target: &Target) -> Result<()> {
    touch(server, target, target.key_count.max(2_000)).await?;
    tokio::time::sleep(SETTLING).await;
    Ok(())
}

/// Returns a value from the metrics of a node.
async fn node_metric(server: &Server, name: &str) -> Result<f64> {
    let text = http_client::get(server.address, "/metrics").await?.done()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.with_context(|| format!("the node does not report {name}"))
}
