//! Rates of taking and releasing locks per second: claims, the recipe, and the baseline, in turn.
//!
//! Each way has one session, over which all its operations go, as those of a node do.

use std::sync::Arc;

use anyhow::Result;

use super::{Numbers, Until, give_back, take, warm_up};
use crate::fixtures::{self, Durability};
use crate::report::{Bound, Report};
use crate::runs::Plan;
use crate::zk_locks::{Locker, Way};

const CONCURRENCIES: [usize; 4] = [1, 8, 64, 512];
const SERVER_COUNTS: [usize; 2] = [1, 3];

pub(in crate::runs) async fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report::new("lock-rates", "Locks acquired and released by one session");
    for server_count in SERVER_COUNTS {
        let ensemble = fixtures::ensemble(server_count, Durability::Synced)?;
        let numbers = Numbers::default();
        let mut lockers = Vec::new();
        for way in Way::ALL {
            let locker = Arc::new(Locker::open(way, &ensemble).await?);
            warm_up(&locker, &numbers).await?;
            lockers.push((way, locker));
        }
        for _ in 0..plan.round_count {
            for concurrency in CONCURRENCIES {
                for (way, locker) in &lockers {
                    let until = Until::Elapsed(plan.turn / 2);
                    let (locks, taken) = take(locker, &numbers, concurrency, until).await?;
                    let given_back = give_back(locker, locks).await?;
                    let subject = subject(*way, concurrency);
                    report.add(&taken_metric(server_count), &subject, taken);
                    report.add(&given_back_metric(server_count), &subject, given_back);
                }
            }
        }
    }
    compare(&mut report);
    report.note(
        "releasing a claim takes two operations, a read and a delete; releasing the others takes one",
    );
    report.note("the recipe creates a parent for each new lock, which remains after the release");
    Ok(report)
}

/// Adds the aims that compare claims, of one znode each, with the recipe.
fn compare(report: &mut Report) {
    for server_count in SERVER_COUNTS {
        let metric = taken_metric(server_count);
        let (claim, recipe) = (subject(Way::Claim, 64), subject(Way::Recipe, 64));
        let text = format!(
            "lock-rates: claims at 64 at once, times the recipe's, {}",
            servers(server_count)
        );
        let ratio = report.ratio(&metric, &claim, &recipe);
        report.aim(text, Bound::AtLeast, 2.0, ratio);
    }
}

fn subject(way: Way, concurrency: usize) -> String {
    format!("{}, {concurrency} at once", way.name())
}

fn taken_metric(server_count: usize) -> String {
    format!("acquired per second, {}", servers(server_count))
}

fn given_back_metric(server_count: usize) -> String {
    format!("released per second, {}", servers(server_count))
}

pub(super) fn servers(count: usize) -> String {
    if count == 1 { "1 server".to_owned() } else { format!("{count} servers") }
}
