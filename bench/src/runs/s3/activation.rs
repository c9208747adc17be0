//! First call of an object that is in the store, compared with the same steps by hand: claim, GET, restore, call.
//!
//! One client does both in turn. The manual version uses the host's adapters and its engine, but no activations.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use highlander::node::Node;
use highlander_core::engine::{
    Component, Engine as _, GuestCall, HandlerKind, LoadPurpose, Snapshot,
};
use highlander_core::id::{Digest, ObjectId};
use highlander_core::registry::claims::Granularity;
use highlander_core::registry::{Claimed, Registry, Sessions as _};
use highlander_core::store::Store as _;
use highlander_core::store::record::codec;
use highlander_s3::S3;
use highlander_wasmtime::{SandboxConfig, WasmtimeEngine};
use tokio::time::Instant;

use crate::fixtures::{self, Blobs, Durability};
use crate::report::{Bound, Report};
use crate::runs::Plan;
use crate::samples::Latencies;

/// Activations of each kind in one turn.
const COUNT: u32 = 100;
const P50: &str = "p50, µs";
const P99: &str = "p99, µs";
const NODE: &str = "node";
const BY_HAND: &str = "direct";

pub(in crate::runs) async fn run(plan: &Plan) -> Result<Report> {
    let title = "First call of an object in S3, one client, 1 ZooKeeper server";
    let mut report = Report::new("s3-activation", title);
    let ensemble = fixtures::ensemble(1, Durability::Synced)?;
    let blobs = Blobs::start(&plan.artifacts).await?;
    let sessions = |name| Arc::new(fixtures::sessions(&ensemble, name, Granularity::Object));
    let node = fixtures::node(&plan.artifacts, sessions("node"), blobs.store().await?).await?;
    let hand = Hand::new(plan, sessions("hand").begin().await?, blobs.store().await?).await?;
    let hand = Arc::new(hand);
    let mut ids = Vec::new();
    for index in 0..COUNT {
        let id = fixtures::counter(&format!("cold-{index}"))?;
        fixtures::call(&node, &id, "increment").await?;
        node.deactivate(&id).await;
        ids.push(id);
    }
    let ids = Arc::new(ids);
    // One additional round, which is not counted, creates the shards of claims and the connections.
    for round in 0..=plan.round_count {
        let (node, hand, ids) = (Arc::clone(&node), Arc::clone(&hand), Arc::clone(&ids));
        // In a task, like the calls of a node: otherwise each manual step would wake the main thread.
        let [mut of_node, mut by_hand] =
            tokio::spawn(async move { turn(&node, &hand, &ids).await }).await??;
        if round > 0 {
            for (name, latencies) in [(NODE, &mut of_node), (BY_HAND, &mut by_hand)] {
                report.add(P50, name, latencies.micros_at(0.5));
                report.add(P99, name, latencies.micros_at(0.99));
            }
        }
    }
    let ratio = report.ratio(P50, NODE, BY_HAND);
    let text = "s3-activation: times direct claim, GET and restore, p50";
    report.aim(text, Bound::AtMost, 1.3, ratio);
    Ok(report)
}

/// Activates each object by the node, and by hand, in turn.
async fn turn(node: &Node, hand: &Hand, ids: &[ObjectId]) -> Result<[Latencies; 2]> {
    let (mut of_node, mut by_hand) = (Latencies::default(), Latencies::default());
    for id in ids {
        let began = Instant::now();
        fixtures::call(node, id, "value").await?;
        of_node.add(began.elapsed());
        ensure!(node.deactivate(id).await, "{id} was not active");
        let began = Instant::now();
        hand.activate(id).await?;
        by_hand.add(began.elapsed());
        hand.session.release(id).await?;
    }
    Ok([of_node, by_hand])
}

/// Activates objects without a node.
struct Hand {
    session: Arc<dyn Registry>,
    store: Arc<S3>,
    component: Arc<dyn Component>,
}

impl Hand {
    async fn new(plan: &Plan, session: Arc<dyn Registry>, store: Arc<S3>) -> Result<Self> {
        let wasm = bytes::Bytes::from(std::fs::read(plan.artifacts.guest("counter")?)?);
        let engine = WasmtimeEngine::new(SandboxConfig::default())?;
        let component = engine.load(Digest::of(&wasm), wasm, &LoadPurpose::Activation).await?;
        // The description makes the component ready for instances.
        component.describe().await?;
        Ok(Self { session, store, component })
    }

    async fn activate(&self, id: &ObjectId) -> Result<()> {
        let claimed = self.session.claim(id).await?;
        ensure!(claimed == Claimed::Granted, "{id} is still claimed");
        let blob = self.store.get(&id.blob_key()).await?.context("the object has no record")?;
        let record = codec::decode(id, &blob.bytes)?;
        let state = record.state.context("the object is deleted")?;
        let mut instance = self.component.instantiate().await?;
        let snapshot = Snapshot { bytes: &state.bytes, schema_version: state.schema_version };
        instance.restore(id, Some(snapshot)).await?;
        let call = GuestCall::new("value", HandlerKind::Query, b"null", record.version);
        let reply = instance.handle(call).await?;
        reply.map(drop).map_err(|rejection| anyhow!("the object rejected the call: {rejection:?}"))
    }
}
