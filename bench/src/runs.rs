//! The benchmarks by name, what they share, and their order.
//!
//! Subjects take turns: A B C A B C …, so that what disturbs the machine for a while disturbs all of them.

mod costs;
mod first_call;
mod forward;
mod hostile;
mod hot_object;
mod idle;
mod locks;
mod memory;
mod requests;
mod s3;
mod throughput;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::artifacts::Artifacts;
use crate::load::{self, CONNECTION_COUNT, Target, Until};
use crate::machine::Facts;
use crate::parts;
use crate::process::Server;
use crate::report::{self, Report};
use crate::wire::Connection;

/// Rounds, where nothing is said.
const ROUND_COUNT: usize = 5;
/// Between two measurements, so that what the one left to do is not done in the other.
const SETTLING: Duration = Duration::from_millis(200);

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Everything, in turn
    All,
    /// Queries of a hot object
    Query,
    /// Durable updates of 1,000 objects
    Update,
    /// The first call of a new object
    FirstCall,
    /// Updates of one object on a slow store
    HotObject,
    /// Memory of many warm objects
    Warm,
    /// Memory after objects went idle
    Idle,
    /// Other objects beside a hostile one
    Hostile,
    /// Times and memory of one instance
    Costs,
    /// Claims in ZooKeeper: rates, memory, the end of a session, partitions
    Locks,
    /// Updates and activations on S3, beside what its server and client can do
    S3,
    /// Calls through a node that is not the owner
    Forward,
    /// What each kind of call asks of S3 and ZooKeeper, and what that costs
    Requests,
}

/// How much is measured, and with what.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) artifacts: Artifacts,
    facts: Facts,
    results: PathBuf,
    pub(crate) is_full: bool,
    pub(crate) round_count: usize,
    /// How long one subject has its turn.
    pub(crate) turn: Duration,
}

impl Plan {
    pub(crate) fn new(is_full: bool, round_count: Option<usize>) -> Result<Self> {
        let artifacts = Artifacts::find()?;
        let facts = Facts::gather(artifacts.data_folder()?.path())?;
        println!("machine: {}", facts.describe());
        Ok(Self {
            results: artifacts.root.join("bench-results"),
            artifacts,
            facts,
            is_full,
            round_count: round_count.unwrap_or(ROUND_COUNT).max(1),
            turn: Duration::from_secs(if is_full { 10 } else { 2 }),
        })
    }
}

/// Measures what is named, and publishes each report as soon as it is there.
pub(crate) async fn run(name: Name, plan: &Plan) -> Result<()> {
    let names: Vec<Name> = match name {
        Name::All => Name::value_variants().iter().copied().filter(|&n| n != Name::All).collect(),
        one => vec![one],
    };
    let mut reports = Vec::new();
    for name in names {
        let value = name.to_possible_value().context("every benchmark has a name")?;
        eprintln!("measuring: {}", value.get_name());
        let measured = measure(name, plan).await;
        let measured = measured.with_context(|| format!("cannot measure {}", value.get_name()))?;
        for report in measured {
            report.publish(&plan.results, &plan.facts)?;
            reports.push(report);
        }
    }
    if reports.len() > 1 {
        println!("\nAims\n\n{}", report::summary(reports.iter().flat_map(|report| &report.aims)));
    }
    println!("\nwritten to {}", plan.results.display());
    Ok(())
}

async fn measure(name: Name, plan: &Plan) -> Result<Vec<Report>> {
    let report = match name {
        Name::All => unreachable!("it stands for the others"),
        Name::Query => throughput::query(plan).await,
        Name::Update => throughput::update(plan).await,
        Name::FirstCall => first_call::run(plan).await,
        Name::HotObject => hot_object::run(plan),
        Name::Warm => memory::run(plan).await,
        Name::Idle => idle::run(plan).await,
        Name::Hostile => hostile::run(plan).await,
        Name::Costs => costs::run(plan),
        Name::Locks => return parts::in_threads(|| locks::run(plan)),
        Name::S3 => return parts::in_threads(|| s3::run(plan)),
        Name::Forward => forward::run(plan).await,
        Name::Requests => parts::in_threads(|| requests::run(plan)),
    };
    Ok(vec![report?])
}

/// Calls each object once, from many connections.
async fn touch(server: &Server, target: &Target, count: u64) -> Result<load::Outcome> {
    let outcome = load::closed(server.address, target, CONNECTION_COUNT, Until::Count(count)).await;
    outcome?.all_done()
}

/// Makes a server warm for a target, and reports nothing.
async fn warm_up(server: &Server, target: &Target) -> Result<()> {
    touch(server, target, target.key_count.max(2_000)).await?;
    tokio::time::sleep(SETTLING).await;
    Ok(())
}

/// A figure from a node's own metrics.
async fn node_metric(server: &Server, name: &str) -> Result<f64> {
    let mut connection = Connection::open(server.address).await?;
    let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let answer = connection.exchange(request).await?;
    let text = String::from_utf8_lossy(answer.body);
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.with_context(|| format!("the node does not tell {name}"))
}
