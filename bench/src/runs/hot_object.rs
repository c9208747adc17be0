//! `hot-object`: updates of one object on a store whose every response takes 20 ms.
//!
//! The host's example `hot_object` measures them within one process: with a real node, and a store in memory.

use anyhow::Result;

use super::Plan;
use crate::report::{Bound, Report};

const UPDATES: &str = "updates per second";

pub(super) fn run(plan: &Plan) -> Result<Report> {
    let mut report =
        Report::new("hot-object", "Updates of one object by 64 clients, store with 20 ms latency");
    let guest = plan.artifacts.guest("counter")?;
    let (rounds, millis) = (plan.round_count.to_string(), plan.turn.as_millis().to_string());
    let arguments = [&*guest.to_string_lossy(), &rounds, &millis];
    report.add_lines(&plan.artifacts.example("highlander", "hot_object", &arguments)?)?;
    let rate = report.median(UPDATES, "highlander");
    report.aim("hot-object: updates per second", Bound::AtLeast, 2_000.0, rate);
    report.note("without group commit, one object reaches 50 updates per second");
    Ok(report)
}
