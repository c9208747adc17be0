//! `swap-rehearsal`: objects per second that a rehearsal reads, compared with the bare client of the store.
//!
//! A rehearsal lists the objects, distributes them over three nodes, reads each record, and lets the component
//! restore the state and reply. The manual version lists and reads the same records by one S3 client in this
//! process, with the same concurrency. The embedded store of one node has no comparison, because no other
//! process can open it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use highlander_core::id::{self, ObjectId};
use highlander_core::store::Store as _;
use highlander_core::store::record::codec;
use highlander_s3::S3;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::artifacts::variant;
use crate::cluster::Cluster;
use crate::http_client::{self, Body};
use crate::load::Target;
use crate::report::Report;
use crate::runs::{Length, Plan, touch};
use crate::subject;

const OBJECT_COUNT: u64 = 10_000;
const OBJECT_COUNT_QUICK: u64 = 300;
/// Records that a rehearsal reads concurrently: four batches, each of which reads four.
const CONCURRENCY: usize = 16;
/// Names in a page of a listing.
const PAGE_LEN: usize = 1_000;
const RATE: &str = "objects per second";
const REHEARSAL: &str = "rehearsal, 3 nodes, S3";
const BY_HAND: &str = "direct listing and reading, S3";
const GETS: &str = "direct reading alone, S3";
const EMBEDDED: &str = "rehearsal, 1 node, embedded store";

pub(in crate::runs) async fn run(plan: &Plan) -> Result<Report> {
    let is_quick = plan.length == Length::Quick;
    let count = if is_quick { OBJECT_COUNT_QUICK } else { OBJECT_COUNT };
    let mut report = Report::new("swap-rehearsal", "States read by a rehearsal, and directly");
    let objects = Target::counters("rehearsed", count, "increment");
    let wasm = std::fs::read(plan.artifacts.guest("counter")?)?;
    let other = variant(&wasm, "other")?;

    let cluster = Cluster::start(&plan.artifacts, &["first", "second", "third"]).await?;
    subject::upload(cluster.address()?, &wasm).await?;
    cluster.fill(&objects).await?;
    let embedded = subject::node(&plan.artifacts, &[], &["counter"]).await?;
    touch(&embedded, &objects, count).await?;
    let store = cluster.blobs.store().await?;

    // One additional round, which is not counted, compiles the component and opens connections.
    for round in 0..=plan.round_count {
        let rehearsed = rehearse(cluster.address()?, &other, count).await?;
        let began = Instant::now();
        let names = Arc::new(names(&store).await?);
        let listed = began.elapsed();
        read(&store, &names, count).await?;
        let by_hand = began.elapsed();
        let embedded = rehearse(embedded.address, &other, count).await?;
        let times = [
            (REHEARSAL, rehearsed),
            (BY_HAND, by_hand),
            (GETS, by_hand - listed),
            (EMBEDDED, embedded),
        ];
        for (name, time) in times.into_iter().filter(|_| round > 0) {
            report.add(RATE, name, count as f64 / time.as_secs_f64());
        }
    }
    for by_hand in [BY_HAND, GETS] {
        let ratio = report.ratio(RATE, REHEARSAL, by_hand);
        report.note(format!("rehearsal, 3 nodes, times {by_hand}: {ratio:.2}"));
    }
    report.note(format!("{count} counters; each reads {CONCURRENCY} records at once"));
    Ok(report)
}

/// Rehearses a component with all objects, and returns the elapsed time.
async fn rehearse(address: SocketAddr, wasm: &[u8], count: u64) -> Result<Duration> {
    let body = Body { media_type: "application/wasm", bytes: wasm };
    let began = Instant::now();
    let reply = http_client::ask(address, "POST", "/v1/rehearsals?sample=all", &body).await?;
    let elapsed = began.elapsed();
    let text = reply.done()?;
    let document: Value = serde_json::from_str(&text)?;
    let rehearsed = document.get("rehearsed").context("the answer does not report any objects")?;
    let (tried, failed) = (rehearsed["tried"].as_u64(), rehearsed["failed"].as_u64());
    ensure!((tried, failed) == (Some(count), Some(0)), "not all {count} objects passed: {text}");
    Ok(elapsed)
}

/// Reads each record with the bare client.
async fn read(store: &Arc<S3>, names: &Arc<Vec<String>>, count: u64) -> Result<()> {
    let mut readers = JoinSet::new();
    for first in 0..CONCURRENCY {
        let (store, names) = (Arc::clone(store), Arc::clone(names));
        readers.spawn(async move {
            let mut read = 0;
            for name in names.iter().skip(first).step_by(CONCURRENCY) {
                let blob =
                    store.get(name).await?.with_context(|| format!("{name} no longer exists"))?;
                let id = ObjectId::from_blob_key(name);
                let id = id.with_context(|| format!("{name} is not the record of an object"))?;
                read += u64::from(codec::decode(&id, &blob.bytes)?.state.is_some());
            }
            anyhow::Ok(read)
        });
    }
    let mut read = 0;
    while let Some(reader) = readers.join_next().await {
        read += reader??;
    }
    ensure!(read == count, "{read} of {count} records were read");
    Ok(())
}

/// Returns the names of the records of all counters.
async fn names(store: &S3) -> Result<Vec<String>> {
    let prefix = id::blob_prefix("counter", "");
    let mut names: Vec<String> = Vec::new();
    loop {
        let last = names.last().cloned();
        let page = store.list(&prefix, last.as_deref(), PAGE_LEN).await?;
        names.extend(page.names);
        if !page.has_more {
            return Ok(names);
        }
    }
}
