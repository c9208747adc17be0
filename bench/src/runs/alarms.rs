//! `alarms`: delay of alarms that are due within one minute, on one node with the embedded store.
//!
//! The objects set their alarms and are unloaded, so that each needs a wake-up. Each object records when its alarm
//! was due and when its handler ran.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use highlander_system::clock::wall_ms;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Plan;
use crate::http_client::{self, Body};
use crate::process::Server;
use crate::report::{Bound, Report};
use crate::samples::Latencies;
use crate::{runs::Length, subject};

const TYPE: &str = "interacting";
const COUNT: u64 = 10_000;
const COUNT_QUICK: u64 = 500;
/// Concurrent requests while the alarms are set and the results are queried.
const AT_ONCE: u64 = 32;
/// Time after which missing alarms count as lost.
const TIMEOUT: Duration = Duration::from_mins(4);
const NAME: &str = "10,000 alarms in one minute";

pub(super) async fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report::new("alarms", "Alarms that are due within one minute");
    let count = if plan.length == Length::Quick { COUNT_QUICK } else { COUNT };
    let settings = [("HIGHLANDER_OBJECTS__IDLE_TIMEOUT", "5s")];
    let node = subject::node(&plan.artifacts, &settings, &[TYPE]).await?;
    // The minute after the next one: all alarms are set, and all objects unloaded, before it begins.
    let minute = wall_ms() / 60_000 + 2;
    let began = Instant::now();
    let done = over(count, |index| {
        let due_ms = minute * 60_000 + index * 60_000 / count;
        let alarm = json!({ "name": "bench", "at_ms": due_ms });
        ask(&node, "POST", format!("/v1/objects/{TYPE}/{index}/set_alarm"), alarm.to_string())
    });
    let _ = done.await?;
    report.add("alarms set per second", NAME, count as f64 / began.elapsed().as_secs_f64());
    let metric = |text: String| {
        let line = text.lines().find_map(|line| line.strip_prefix("highlander_alarms_total "));
        line.and_then(|number| number.parse::<f64>().ok()).unwrap_or_default() as u64
    };
    let until = Instant::now() + TIMEOUT;
    while metric(http_client::get(node.address, "/metrics").await?.done()?) < count {
        ensure!(Instant::now() < until, "some alarms did not fire");
        sleep(Duration::from_millis(200)).await;
    }
    let states = over(count, |index| {
        ask(&node, "GET", format!("/v1/objects/{TYPE}/{index}"), String::new())
    });
    let mut late = Latencies::default();
    for text in states.await? {
        let state: Value = serde_json::from_str(&text)?;
        let time = |name| state.pointer(&format!("/rings/bench/{name}")).and_then(Value::as_u64);
        let (due, heard) = (time("due_ms"), time("now_ms"));
        let (due, heard) =
            due.zip(heard).with_context(|| format!("the alarm did not fire: {text}"))?;
        ensure!(heard >= due, "the alarm fired before it was due: {text}");
        late.add(Duration::from_millis(heard - due));
    }
    let (p50, p99) = (late.micros_at(0.5) / 1e3, late.micros_at(0.99) / 1e3);
    report.add("p50 late, ms", NAME, p50);
    report.add("p99 late, ms", NAME, p99);
    report.aim("alarms: p99 of the delay, ms", Bound::AtMost, 5_000.0, p99);
    Ok(report)
}

type Asking = tokio::task::JoinHandle<Result<String>>;

fn ask(node: &Server, method: &'static str, path: String, body: String) -> Asking {
    let address = node.address;
    tokio::spawn(async move {
        let body = Body { media_type: "application/json", bytes: body.as_bytes() };
        http_client::ask(address, method, &path, &body).await?.done()
    })
}

/// Runs a request for each index, a few at a time, and returns the results.
async fn over(count: u64, begin: impl Fn(u64) -> Asking) -> Result<Vec<String>> {
    let mut under_way = JoinSet::new();
    let mut done = Vec::new();
    for index in 0..count {
        if index >= AT_ONCE {
            let ended = under_way.join_next().await.context("no calls are in progress")?;
            done.push(ended???);
        }
        under_way.spawn(begin(index));
    }
    while let Some(ended) = under_way.join_next().await {
        done.push(ended???);
    }
    Ok(done)
}
