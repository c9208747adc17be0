//! Effect of partitions: first calls of new objects on one node with a claim for each object, with 4,096
//! partitions that are already held, and with claims that cost nothing.
//!
//! The store is in memory, so that the registry dominates.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use highlander::node::Node;
use highlander::registry::local::{Directory, LocalSessions};
use highlander_core::registry::claims::Granularity;
use highlander_core::registry::{Registry, Sessions};
use highlander_testing::memory::Memory;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Numbers;
use crate::fixtures::{self, Durability};
use crate::report::Report;
use crate::runs::Plan;

const PARTITION_COUNT: u32 = 4_096;
const CONCURRENCY: usize = 64;
const RATE: &str = "activations per second";
const CLAIMS: &str = "claims held at the end";

pub(in crate::runs) async fn run(plan: &Plan) -> Result<Report> {
    let title = "First calls of new objects on one node, 64 at once, 3 ZooKeeper servers";
    let mut report = Report::new("lock-partitions", title);
    let ensemble = fixtures::ensemble(3, Durability::Synced)?;
    let partitions = Granularity::Partitions(PARTITION_COUNT);
    let subjects: [(&str, Arc<dyn Sessions>); 3] = [
        ("a claim per object", Arc::new(fixtures::sessions(&ensemble, "a", Granularity::Object))),
        ("4,096 partitions held", Arc::new(fixtures::sessions(&ensemble, "b", partitions))),
        (
            "registry in the process",
            Arc::new(LocalSessions::new(Directory::new(), "c", "127.0.0.1:1")),
        ),
    ];
    let numbers = Numbers::default();
    let mut nodes = Vec::new();
    for (name, sessions) in subjects {
        let node = fixtures::node(&plan.artifacts, sessions, Arc::new(Memory::new())).await?;
        let session = node.session().context("the node's session has ended")?;
        if session.granularity() == partitions {
            let filling = Instant::now();
            hold_all(&session).await?;
            let rate = f64::from(PARTITION_COUNT) / filling.elapsed().as_secs_f64();
            report.note(format!(
                "all {PARTITION_COUNT} partitions were claimed, at {rate:.0} per second"
            ));
        }
        activate(&node, &numbers, plan.turn / 4).await?;
        nodes.push((name, node));
    }
    for _ in 0..plan.round_count {
        for (name, node) in &nodes {
            report.add(RATE, name, activate(node, &numbers, plan.turn).await?);
        }
    }
    for (name, node) in &nodes {
        let session = node.session().context("the node's session has ended")?;
        report.add(CLAIMS, name, session.claim_count() as f64);
    }
    Ok(report)
}

/// Claims objects until each partition is held.
async fn hold_all(session: &Arc<dyn Registry>) -> Result<()> {
    let numbers = Numbers::default();
    let mut tasks = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (session, numbers) = (Arc::clone(session), numbers.clone());
        tasks.spawn(async move {
            while session.claim_count() < PARTITION_COUNT as usize {
                let id = fixtures::counter(&format!("filling-{}", numbers.next()))?;
                session.claim(&id).await?;
                session.release(&id).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    Ok(())
}

/// Calls new objects for `limit`, and returns the rate per second.
async fn activate(node: &Arc<Node>, numbers: &Numbers, limit: Duration) -> Result<f64> {
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (node, numbers) = (Arc::clone(node), numbers.clone());
        tasks.spawn(async move {
            let mut count = 0_u32;
            while began.elapsed() < limit {
                let id = fixtures::counter(&format!("new-{}", numbers.next()))?;
                fixtures::call(&node, &id, "value").await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(of_one) = tasks.join_next().await {
        count += of_one??;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}
