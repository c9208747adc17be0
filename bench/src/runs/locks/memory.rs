//! Memory of one lock on each server, while it is held and after its release.
//!
//! The heap is the size of live objects that a Java tool reports after a collection. Without that tool, the report
//! has only the server's own figure, which covers paths and contents alone.

use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result};
use highlander_services::zookeeper::{Config, Ensemble};

use super::{FILLING, Numbers, Until, give_back, take, warm_up};
use crate::fixtures::{self, Durability};
use crate::report::Report;
use crate::zk_locks::{Locker, Way};

const LOCK_COUNT: u64 = 50_000;
const HEAP: &str = "heap per held lock, bytes";
const HEAP_LEFT: &str = "heap per lock after its release, bytes";
const DATA: &str = "paths and contents per held lock, bytes";

pub(in crate::runs) async fn run() -> Result<Report> {
    let mut report = Report::new("lock-memory", "Memory of one lock on each ZooKeeper server");
    for way in Way::ALL {
        // A new ensemble for each way, because remains of one would count for the next.
        let ensemble = Ensemble::try_start(Config {
            // By default, the collector leaves some dead objects in place, and they would count as live.
            java_arguments: vec!["-XX:MarkSweepDeadRatio=0".to_owned()],
            ..fixtures::settings(1, Durability::Unsynced)
        })?;
        let locker = Arc::new(Locker::open(way, &ensemble).await?);
        let numbers = Numbers::default();
        warm_up(&locker, &numbers).await?;
        let before = Size::of(&ensemble)?;
        let (locks, _) = take(&locker, &numbers, FILLING, Until::Count(LOCK_COUNT)).await?;
        let held = Size::of(&ensemble)?;
        give_back(&locker, locks).await?;
        let left = Size::of(&ensemble)?;
        report.add(DATA, way.name(), (held.data - before.data) / LOCK_COUNT as f64);
        if let (Some(before), Some(held), Some(left)) = (before.heap, held.heap, left.heap) {
            report.add(HEAP, way.name(), (held - before) / LOCK_COUNT as f64);
            report.add(HEAP_LEFT, way.name(), (left - before) / LOCK_COUNT as f64);
        } else {
            report.note("the heap was not measured: jcmd is not available");
        }
    }
    report.note(format!("{LOCK_COUNT} locks of one session, measured once"));
    Ok(report)
}

/// Memory of a server, in bytes.
struct Size {
    heap: Option<f64>,
    data: f64,
}

impl Size {
    fn of(ensemble: &Ensemble) -> Result<Self> {
        let data = ensemble.figure(0, "zk_approximate_data_size");
        let data = data.context("the server does not report the size of its data")? as f64;
        let process = ensemble.process_id(0).context("the server is not running")?;
        Ok(Self { heap: live_heap(process), data })
    }
}

/// Returns the bytes of all live objects of a Java process: the last line of a histogram is
/// `Total INSTANCES BYTES`.
fn live_heap(process: u32) -> Option<f64> {
    let output = Command::new("jcmd").arg(process.to_string()).arg("GC.class_histogram").output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    let total = text.lines().rev().find_map(|line| line.trim().strip_prefix("Total"))?;
    total.split_whitespace().nth(1)?.parse().ok()
}
