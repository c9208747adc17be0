//! Well-behaved objects: calls at a fixed rate, alarms each second, and the node's `/healthz`.

use std::time::Duration;

use anyhow::{Context, Result};
use highlander_system::clock::wall_ms;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::http_client::{self, Body};
use crate::load::{self, Outcome, Target};
use crate::process::Server;

/// Queries and updates per second.
const RATE: u64 = 50;
const OBJECT_COUNT: u64 = 5;
const EVERY_MS: u64 = 1_000;
/// Pause between two looks at the alarms.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) fn queries() -> Target {
    Target::counters("queried", OBJECT_COUNT, "value")
}

pub(super) fn updates() -> Target {
    Target::counters("updated", OBJECT_COUNT, "increment")
}

/// Results of one turn.
pub(super) struct Seen {
    pub(super) queries: Outcome,
    pub(super) updates: Outcome,
    /// Greatest delay of an alarm, also of one that has not fired yet.
    pub(super) latest_alarm: Duration,
    pub(super) slowest_health: Duration,
}

/// Observes the objects for this time.
pub(super) async fn observe(server: &Server, alarms: &Alarms, limit: Duration) -> Result<Seen> {
    let address = [server.address];
    let (queried, updated) = (queries(), updates());
    let (queries, updates, latest_alarm, slowest_health) = tokio::try_join!(
        load::open(&address, &queried, RATE, limit),
        load::open(&address, &updated, RATE, limit),
        alarms.latest(server, limit),
        slowest_health(server, limit),
    )?;
    Ok(Seen { queries, updates, latest_alarm, slowest_health })
}

async fn slowest_health(server: &Server, limit: Duration) -> Result<Duration> {
    let (until, mut slowest) = (Instant::now() + limit, Duration::ZERO);
    while Instant::now() < until {
        let began = Instant::now();
        http_client::get(server.address, "/healthz").await?;
        slowest = slowest.max(began.elapsed());
        sleep(PAUSE / 2).await;
    }
    Ok(slowest)
}

/// Objects with an alarm each second.
pub(super) struct Alarms;

impl Alarms {
    /// Sets the alarms, at different times within the second.
    pub(super) async fn set(server: &Server) -> Result<Self> {
        for number in 0..OBJECT_COUNT {
            let at_ms = wall_ms() + EVERY_MS + number * EVERY_MS / OBJECT_COUNT;
            let alarm = json!({ "name": "tick", "at_ms": at_ms, "every_ms": EVERY_MS }).to_string();
            let body = Body { media_type: "application/json", bytes: alarm.as_bytes() };
            let path = format!("/v1/objects/interacting/{number}/set_alarm");
            http_client::ask(server.address, "POST", &path, &body).await?.done()?;
        }
        sleep(Duration::from_millis(2 * EVERY_MS)).await;
        Ok(Self)
    }

    /// Returns the greatest delay of an alarm that was due in this time.
    async fn latest(&self, server: &Server, limit: Duration) -> Result<Duration> {
        let (began_ms, until) = (wall_ms(), Instant::now() + limit);
        let mut latest_ms = 0;
        while Instant::now() < until {
            for number in 0..OBJECT_COUNT {
                let path = format!("/v1/objects/interacting/{number}");
                // A node that refuses the query shows the delay at a later one.
                let Ok(text) = http_client::get(server.address, &path).await?.done() else {
                    continue;
                };
                let state: Value = serde_json::from_str(&text)?;
                let time =
                    |name| state.pointer(&format!("/rings/tick/{name}")).and_then(Value::as_u64);
                let (due, heard) =
                    time("due_ms").zip(time("now_ms")).context("no alarm has fired")?;
                if due >= began_ms {
                    latest_ms = latest_ms.max(heard.saturating_sub(due));
                }
                let next_ms = (due + EVERY_MS).max(began_ms);
                latest_ms = latest_ms.max(wall_ms().saturating_sub(next_ms));
            }
            sleep(PAUSE).await;
        }
        Ok(Duration::from_millis(latest_ms))
    }
}
