//! `shares`: callers of well-behaved objects before, during and after an attack by objects of other types.
//!
//! Each attack has a node of its own. The well-behaved objects are called at a fixed, low rate, and five of them have
//! an alarm each second. `greedy` and `misbehaving` have the handlers of the attacks.

mod attack;
mod neighbor;

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::{Plan, warm_up};
use crate::process::Server;
use crate::report::{Bound, Report};
use crate::subject;

use attack::Attack;
use neighbor::Alarms;

/// Time within which a node must be back to normal after an attack.
const RECOVERY: Duration = Duration::from_secs(5);
/// Time that an attack has before its effect is measured.
const BUILD_UP: Duration = Duration::from_secs(1);
const GUESTS: [&str; 4] = ["counter", "interacting", "greedy", "misbehaving"];
const MIB: f64 = 1024.0 * 1024.0;

pub(super) async fn run(plan: &Plan) -> Result<Report> {
    let mut report =
        Report::new("shares", "Callers of other objects while a type takes all it can");
    for _ in 0..plan.round_count {
        for attack in Attack::ALL {
            measure(plan, &mut report, attack).await?;
        }
    }
    for attack in Attack::ALL {
        let name = attack.name();
        for (what, limit) in [("queries", 2.0_f64), ("updates", 2.0)] {
            let of = |time: &str| report.median(&p99(what, time), name);
            let (before, during) = (of("before"), of("during"));
            // One slice of another call is allowed.
            let is_close = what == "queries" && during <= before + 10_000.0;
            let ratio = if is_close { limit.min(during / before) } else { during / before };
            report.aim(
                format!("shares: p99 of {what}, {name}, times before"),
                Bound::AtMost,
                limit,
                ratio,
            );
        }
        let late = report.median(&latest("during"), name);
        report.aim(
            format!("shares: latest alarm of others, {name}, ms"),
            Bound::AtMost,
            1_000.0,
            late,
        );
        let health = report.median(HEALTH, name);
        report.aim(format!("shares: slowest /healthz, {name}, ms"), Bound::AtMost, 100.0, health);
    }
    Ok(report)
}

const HEALTH: &str = "slowest /healthz during, ms";

fn p99(what: &str, time: &str) -> String {
    format!("p99 of {what} {time}, µs")
}

fn latest(time: &str) -> String {
    format!("latest alarm {time}, ms")
}

async fn measure(plan: &Plan, report: &mut Report, attack: Attack) -> Result<()> {
    let server = subject::node(&plan.artifacts, &[], &GUESTS).await?;
    warm_up(&server, &neighbor::queries()).await?;
    warm_up(&server, &neighbor::updates()).await?;
    let alarms = Alarms::set(&server).await?;
    phase(plan, report, attack, "before", &server, &alarms).await?;
    let under_way = attack.begin(&server, plan);
    sleep(BUILD_UP).await;
    phase(plan, report, attack, "during", &server, &alarms).await?;
    report.add("memory during, MiB", attack.name(), server.memory()? / MIB);
    drop(under_way);
    sleep(RECOVERY).await;
    phase(plan, report, attack, "after", &server, &alarms).await?;
    report.add("memory after, MiB", attack.name(), server.memory()? / MIB);
    Ok(())
}

/// Measures the well-behaved objects for one turn.
async fn phase(
    plan: &Plan,
    report: &mut Report,
    attack: Attack,
    time: &str,
    server: &Server,
    alarms: &Alarms,
) -> Result<()> {
    let seen = neighbor::observe(server, alarms, plan.turn.max(Duration::from_secs(2))).await?;
    let name = attack.name();
    for (what, calls) in [("queries", &seen.queries), ("updates", &seen.updates)] {
        report.add(&format!("p50 of {what} {time}, µs"), name, calls.latencies.micros_at(0.5));
        report.add(&p99(what, time), name, calls.latencies.micros_at(0.99));
        report.add(&format!("slowest of {what} {time}, µs"), name, calls.latencies.micros_at(1.0));
        report.add(&format!("failed {what} {time}"), name, calls.error_count as f64);
    }
    report.add(&latest(time), name, seen.latest_alarm.as_secs_f64() * 1e3);
    if time == "during" {
        report.add(HEALTH, name, seen.slowest_health.as_secs_f64() * 1e3);
    }
    Ok(())
}
