//! `first-call`: time of the first call of a new object, compared with a call of an object in memory.
//!
//! One client makes the four kinds of calls in turn, so that a slowdown of the machine affects all of them.

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::{Plan, warm_up};
use crate::http_client::Connection;
use crate::load::Target;
use crate::process::Server;
use crate::report::{Bound, Report};
use crate::samples::Latencies;
use crate::subject::Subject;

/// Calls of each kind in one turn.
const CALL_COUNT: u64 = 150;
const WARM_QUERY: &str = "query of a warm object, p50, µs";
const WARM_UPDATE: &str = "update of a warm object, p50, µs";
const FIRST_QUERY: &str = "first call, a query, p50, µs";
const FIRST_UPDATE: &str = "first call, an update, p50, µs";
const COMMIT: &str = "one commit, µs";

pub(super) async fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report::new("first-call", "First call of a new object, one client");
    let highlander = Subject::Highlander.name();
    let mut servers = Vec::new();
    for subject in [Subject::Highlander, Subject::Native] {
        let server = subject.start(&plan.artifacts).await?;
        warm_up(&server, &Target::counters("warm", 1, "increment")).await?;
        servers.push((subject.name(), server));
    }
    for round in 0..plan.round_count {
        for (name, server) in &servers {
            turn(&mut report, name, server, round).await?;
        }
    }
    let commit = report.median(COMMIT, highlander);
    let limit = 3.0 * report.median(WARM_QUERY, highlander) + commit;
    let first = report.median(FIRST_UPDATE, highlander);
    let text = "first-call: an update, µs, against 3 warm calls and a commit";
    report.aim(text, Bound::AtMost, limit, first);
    report.note("a commit is the difference between an update and a query of a warm object");
    Ok(report)
}

async fn turn(report: &mut Report, name: &str, server: &Server, round: usize) -> Result<()> {
    let prefix = |kind: &str| format!("{kind}-{round}-");
    let kinds = [
        (WARM_QUERY, Target::counters("warm", 1, "value")),
        (WARM_UPDATE, Target::counters("warm", 1, "increment")),
        (FIRST_QUERY, Target::counters(prefix("query"), CALL_COUNT, "value")),
        (FIRST_UPDATE, Target::counters(prefix("update"), CALL_COUNT, "increment")),
    ];
    let mut latencies = kinds.each_ref().map(|_| Latencies::default());
    let mut connection = Connection::open(server.address).await?;
    let mut request = Vec::new();
    for index in 0..CALL_COUNT {
        for ((_, target), latencies) in kinds.iter().zip(&mut latencies) {
            target.write(&mut request, index);
            let sent = Instant::now();
            let status = connection.exchange(&request).await?.status;
            latencies.add(sent.elapsed());
            ensure!(status == 200, "status {status} from {name}");
        }
    }
    let mut medians = latencies.iter().map(|latencies| latencies.micros_at(0.5));
    for (metric, _) in &kinds {
        report.add(metric, name, medians.next().unwrap_or_default());
    }
    let newest = |metric: &str| report.samples(metric, name).last().copied().unwrap_or_default();
    let commit = newest(WARM_UPDATE) - newest(WARM_QUERY);
    report.add(COMMIT, name, commit);
    Ok(())
}
