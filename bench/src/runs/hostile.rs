//! `hostile`: latency of calls to other objects while one object does harm again and again.
//!
//! The others are called at a fixed, moderate rate: on fully used processors, the load would wait for itself. A
//! process that spins next to the node shows the effect of the machine's scheduler alone.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::task::JoinHandle;

use super::{Plan, SETTLING, warm_up};
use crate::http_client::Connection;
use crate::load::{self, Target};
use crate::process::Server;
use crate::report::{Bound, Report};
use crate::subject;

/// Calls per second of objects that do no harm.
const QUERY_RATE: u64 = 400;
const UPDATE_RATE: u64 = 200;
const OBJECT_COUNT: u64 = 100;
const QUERY_P99: &str = "p99 of other objects' queries, µs";
const QUERY_P50: &str = "p50 of other objects' queries, µs";
const UPDATE_P99: &str = "p99 of other objects' updates, µs";
const HARM_RATE: &str = "harmful calls per second";
const ALONE: &str = "undisturbed";
const BESIDE: &str = "a separate process spins";
/// Kinds of harm, and the handlers that do it.
const HARMS: [(&str, &str); 6] = [
    ("it loops", "spin"),
    ("it eats memory", "eat_memory"),
    ("it eats the stack", "eat_stack"),
    ("it traps", "trap"),
    ("it floods the log", "spam_log"),
    ("it copies in bulk", "copy_in_a_loop"),
];

pub(super) async fn run(plan: &Plan) -> Result<Report> {
    let mut report =
        Report::new("hostile", "Callers of other objects, while one object misbehaves");
    let server = subject::node(&plan.artifacts, &[], &["counter", "misbehaving"]).await?;
    warm_up(&server, &queries()).await?;
    warm_up(&server, &updates()).await?;
    for _ in 0..plan.round_count {
        turn(plan, &mut report, ALONE, &server).await?;
        let beside = spinner(plan).await?;
        turn(plan, &mut report, BESIDE, &server).await?;
        drop(beside);
        for (name, handler) in HARMS {
            let harm = Harm::begin(server.address, handler);
            turn(plan, &mut report, name, &server).await?;
            let per_second = harm.end(plan.turn).await?;
            report.add(HARM_RATE, name, per_second);
            tokio::time::sleep(SETTLING).await;
        }
    }
    for (metric, what) in [(QUERY_P99, "queries"), (UPDATE_P99, "updates")] {
        for (name, _) in HARMS {
            let ratio = report.ratio(metric, name, ALONE);
            let text = format!("hostile: p99 of other {what} while {name}, times undisturbed");
            report.aim(text, Bound::AtMost, 2.0, ratio);
        }
        let ratio = report.ratio(metric, BESIDE, ALONE);
        report.note(format!("p99 of {what} while {BESIDE}: {ratio:.2} times undisturbed"));
        let to_beside =
            HARMS.map(|(name, _)| format!("{name} {:.2}", report.ratio(metric, name, BESIDE)));
        report.note(format!("p99 of {what}, times that while {BESIDE}: {}", to_beside.join(", ")));
    }
    Ok(report)
}

fn queries() -> Target {
    Target::counters("queried", OBJECT_COUNT, "value")
}

fn updates() -> Target {
    Target::counters("updated", OBJECT_COUNT, "increment")
}

async fn spinner(plan: &Plan) -> Result<Server> {
    let folder = plan.artifacts.data_folder()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["baseline", "spin"]).current_dir(folder.path());
    Server::start(command, folder).await
}

async fn turn(plan: &Plan, report: &mut Report, name: &str, server: &Server) -> Result<()> {
    let (queries, updates) = (queries(), updates());
    let address = [server.address];
    let (queries, updates) = tokio::try_join!(
        load::open(&address, &queries, QUERY_RATE, plan.turn),
        load::open(&address, &updates, UPDATE_RATE, plan.turn),
    )?;
    let (queries, updates) = (queries.all_done()?, updates.all_done()?);
    report.add(QUERY_P50, name, queries.latencies.micros_at(0.5));
    report.add(QUERY_P99, name, queries.latencies.micros_at(0.99));
    report.add(UPDATE_P99, name, updates.latencies.micros_at(0.99));
    Ok(())
}

/// Client that calls a harmful handler as often as it gets a response.
struct Harm {
    client: JoinHandle<Result<()>>,
    count: Arc<AtomicU64>,
}

impl Harm {
    fn begin(address: SocketAddr, handler: &'static str) -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let client = tokio::spawn(async move {
            let mut connection = Connection::open(address).await?;
            let prefix = format!("harm-{handler}-");
            let target = Target {
                type_name: "misbehaving",
                prefix,
                key_count: 1,
                handler: handler.to_owned(),
                argument: "null".to_owned(),
            };
            let mut request = Vec::new();
            target.write(&mut request, 0);
            loop {
                connection.exchange(&request).await?;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { client, count }
    }

    /// Stops the client, and returns its calls per second.
    async fn end(self, elapsed: Duration) -> Result<f64> {
        let Self { client, count } = self;
        if client.is_finished() {
            client.await??;
        } else {
            client.abort();
        }
        let count = count.load(Ordering::Relaxed);
        ensure!(count > 0, "no harmful call was answered: the node does not limit it");
        Ok(count as f64 / elapsed.as_secs_f64())
    }
}
