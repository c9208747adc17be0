//! `costs`: cost of one instance by the size of its state, and of a component before its first instance.
//!
//! The host's example `engine_costs` measures them within one process.

use anyhow::Result;

use super::Plan;
use crate::report::Report;

pub(super) fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report::new("costs", "Cost of instances");
    let counter = plan.artifacts.guest("counter")?;
    let larger = plan.artifacts.guest("misbehaving")?;
    let rounds = plan.round_count.to_string();
    let arguments = [&*counter.to_string_lossy(), &*larger.to_string_lossy(), &rounds];
    report.add_lines(&plan.artifacts.example(
        "highlander-wasmtime",
        "engine_costs",
        &arguments,
    )?)?;
    Ok(report)
}
