//! Load generator: clients that call handlers of objects over persistent connections, and its results.
//!
//! In a **closed** load, each client waits for a response before it sends the next request, which measures the
//! capacity of a server. An **open** load sends at a fixed rate, regardless of the server, which measures how long
//! callers wait.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::http_client::{Body, Connection, write_request};
use crate::samples::Latencies;

/// Number of clients of a load.
pub(crate) const CONNECTION_COUNT: usize = 64;

/// Objects and handler to call. The key of call `i` is `prefix` followed by `i % key_count`.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) type_name: &'static str,
    pub(crate) prefix: String,
    pub(crate) key_count: u64,
    pub(crate) handler: String,
    /// Argument as JSON.
    pub(crate) argument: String,
}

impl Target {
    /// Returns a target of calls to a handler of counters.
    pub(crate) fn counters(prefix: impl Into<String>, key_count: u64, handler: &str) -> Self {
        let (prefix, handler, argument) = (prefix.into(), handler.to_owned(), "null".to_owned());
        Self { type_name: "counter", prefix, key_count, handler, argument }
    }

    /// Replaces the content of `request` by call `index`.
    pub(crate) fn write(&self, request: &mut Vec<u8>, index: u64) {
        let Self { type_name, prefix, key_count, handler, argument } = self;
        let key = index % key_count;
        request.clear();
        let body = Body { media_type: "application/json", bytes: argument.as_bytes() };
        let path = format!("/v1/objects/{type_name}/{prefix}{key}/{handler}");
        write_request(request, "POST", &path, &body);
    }
}

/// End of a closed load.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After this number of calls.
    Count(u64),
}

/// Result of a load.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Number of successful calls.
    pub(crate) done_count: u64,
    /// Number of calls that returned an error.
    pub(crate) error_count: u64,
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Latencies,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        self.done_count as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Returns an error if any call failed.
    pub(crate) fn all_done(self) -> Result<Self> {
        let Self { error_count, done_count, .. } = self;
        ensure!(error_count == 0, "{error_count} calls failed, {done_count} succeeded");
        Ok(self)
    }

    fn count(&mut self, status: u16, latency: Duration) {
        if status == 200 {
            self.done_count += 1;
        } else {
            self.error_count += 1;
        }
        self.latencies.add(latency);
    }

    fn append(&mut self, other: &Self) {
        self.done_count += other.done_count;
        self.error_count += other.error_count;
        self.latencies.append(&other.latencies);
    }
}

/// Calls one server with `connection_count` clients, each as fast as it gets responses.
pub(crate) async fn closed(
    address: SocketAddr,
    target: &Target,
    connection_count: usize,
    until: Until,
) -> Result<Outcome> {
    closed_over(&[address], target, connection_count, until).await
}

/// As [`closed`], with the clients distributed over several servers, each of which accepts every call.
pub(crate) async fn closed_over(
    addresses: &[SocketAddr],
    target: &Target,
    connection_count: usize,
    until: Until,
) -> Result<Outcome> {
    let connections = open_connections(addresses, connection_count).await?;
    let next = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for mut connection in connections {
        let (target, next) = (target.clone(), Arc::clone(&next));
        clients.spawn(async move {
            let mut outcome = Outcome::default();
            let mut request = Vec::new();
            loop {
                let (sent, index) = (Instant::now(), next.fetch_add(1, Ordering::Relaxed));
                let is_over = match until {
                    Until::Elapsed(limit) => sent.duration_since(began) >= limit,
                    Until::Count(count) => index >= count,
                };
                if is_over {
                    return anyhow::Ok(outcome);
                }
                target.write(&mut request, index);
                let status = connection.exchange(&request).await?.status;
                outcome.count(status, sent.elapsed());
            }
        });
    }
    gather(clients, began).await
}

/// Calls servers, each of which accepts every call, `per_second` times a second for `limit`.
///
/// The latency of a call counts from the time at which it is due, even if its client still waits for the previous
/// response. Delays of the load generator's own thread are not part of any latency.
pub(crate) async fn open(
    addresses: &[SocketAddr],
    target: &Target,
    per_second: u64,
    limit: Duration,
) -> Result<Outcome> {
    let connections = open_connections(addresses, CONNECTION_COUNT).await?;
    let interval = Duration::from_secs_f64(1.0 / per_second as f64);
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for (mut connection, first) in connections.into_iter().zip(0_u32..) {
        let target = target.clone();
        clients.spawn(async move {
            let mut outcome = Outcome::default();
            let mut request = Vec::new();
            for index in (first..).step_by(CONNECTION_COUNT) {
                let due = began + interval * index;
                if due.duration_since(began) >= limit {
                    break;
                }
                let is_late = due < Instant::now();
                tokio::time::sleep_until(due).await;
                target.write(&mut request, u64::from(index));
                let sent = if is_late { due } else { Instant::now() };
                let status = connection.exchange(&request).await?.status;
                outcome.count(status, sent.elapsed());
            }
            anyhow::Ok(outcome)
        });
    }
    gather(clients, began).await
}

async fn open_connections(addresses: &[SocketAddr], count: usize) -> Result<Vec<Connection>> {
    let mut connections = Vec::with_capacity(count);
    for address in addresses.iter().cycle().take(count) {
        connections.push(Connection::open(*address).await?);
    }
    Ok(connections)
}

async fn gather(mut clients: JoinSet<Result<Outcome>>, began: Instant) -> Result<Outcome> {
    let mut all = Outcome::default();
    while let Some(outcome) = clients.join_next().await {
        all.append(&outcome??);
    }
    all.elapsed = began.elapsed();
    Ok(all)
}
