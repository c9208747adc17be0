//! Benchmark of the wasmtime engine: latencies by state size, and the memory of a live instance.
//!
//! Run it with the built guests:
//! ```text
//! cargo run --release -p highlander-wasmtime --example engine_costs -- \
//!     target/guests/counter.wasm target/guests/misbehaving.wasm [ROUNDS]
//! ```
//! It prints lines of JSON, which `cargo xtask bench costs` reads.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "it measures, and prints")]

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use highlander_core::engine::{
    Component, Engine, GuestCall, HandlerKind, Instance, LoadPurpose, Snapshot,
};
use highlander_core::id::{Digest, ObjectId};
use highlander_wasmtime::{SandboxConfig, WasmtimeEngine};
use serde_json::json;
use tokio::time::Instant;

/// State sizes, and their measurements per round: large states take long.
const SIZES: [(&str, usize, usize); 5] = [
    ("100 B", 100, 1_000),
    ("1 KB", 1_000, 1_000),
    ("15 KB", 15_000, 300),
    ("100 KB", 100_000, 50),
    ("1 MB", 1_000_000, 10),
];
const COUNTER: &str = "counter";
/// Approximate size of the larger guest's state beyond the part that `grow_state` fills.
const FRAME_BYTES: usize = 30;
/// Number of operations timed together, because one is too short to time.
const BATCH: u32 = 2_000;
const LIVE_COUNT: usize = 2_000;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut guest = || Bytes::from(std::fs::read(arguments.next().unwrap()).unwrap());
    let (counter, larger) = (guest(), guest());
    let round_count: usize = arguments.next().map_or(5, |text| text.parse().unwrap());

    let sandbox = SandboxConfig::default();
    let engine = WasmtimeEngine::new(sandbox).unwrap();
    let small =
        engine.load(Digest::of(&counter), counter.clone(), &LoadPurpose::Activation).await.unwrap();
    let large = engine.load(Digest::of(&larger), larger, &LoadPurpose::Activation).await.unwrap();
    // `describe` prepares both components for instances.
    small.describe().await.unwrap();
    large.describe().await.unwrap();
    for round in 0..round_count {
        load(&counter).await;
        instances(small.as_ref()).await;
        for (name, bytes, count) in SIZES {
            states(large.as_ref(), name, bytes, count).await;
        }
        // The instances of the first round leave free memory behind, which later instances reuse.
        if round == 0 {
            memory(small.as_ref()).await;
        }
    }
}

/// Measures compiling a component, and loading it precompiled.
async fn load(wasm: &Bytes) {
    let cache = std::env::temp_dir().join(format!("engine-costs-{}", std::process::id()));
    let compile = time_load(wasm, &cache).await;
    print("compile, ms", COUNTER, compile.as_secs_f64() * 1e3);
    let precompiled = time_load(wasm, &cache).await;
    print("load precompiled, ms", COUNTER, precompiled.as_secs_f64() * 1e3);
    std::fs::remove_dir_all(cache).unwrap();
}

async fn time_load(wasm: &Bytes, cache: &Path) -> Duration {
    let sandbox = SandboxConfig {
        cache_dir: Some(cache.to_owned()),
        resident_max: 16,
        ..SandboxConfig::default()
    };
    let engine = WasmtimeEngine::new(sandbox).unwrap();
    let digest = Digest::of(wasm);
    let began = Instant::now();
    engine.load(digest, wasm.clone(), &LoadPurpose::Activation).await.unwrap();
    began.elapsed()
}

/// Measures instantiation and the shortest calls.
async fn instances(component: &dyn Component) {
    let time = median(1_000, async || drop(component.instantiate().await.unwrap())).await;
    print("instantiate and drop, µs", COUNTER, time);
    let id = ObjectId::new("counter", "k").unwrap();
    let snapshot = Snapshot { bytes: b"{\"value\":7}", schema_version: 1 };
    let time = median(1_000, async || {
        let mut instance = component.instantiate().await.unwrap();
        instance.restore(&id, Some(snapshot)).await.unwrap();
    });
    print("instantiate, restore and drop, µs", COUNTER, time.await);
    let mut instance = component.instantiate().await.unwrap();
    instance.restore(&id, None).await.unwrap();
    let time = median(10, async || {
        for _ in 0..BATCH {
            call(instance.as_mut(), "value", "null").await;
        }
    });
    print("query, µs", COUNTER, time.await / f64::from(BATCH));
    let time = median(10, async || {
        for _ in 0..BATCH {
            call(instance.as_mut(), "increment", "null").await;
            instance.snapshot().await.unwrap();
        }
    });
    print("update and snapshot, µs", COUNTER, time.await / f64::from(BATCH));
}

/// Measures the operations that depend on the size of the state.
async fn states(component: &dyn Component, name: &str, bytes: usize, count: usize) {
    let id = ObjectId::new("misbehaving", "k").unwrap();
    let mut instance = component.instantiate().await.unwrap();
    instance.restore(&id, None).await.unwrap();
    let ballast = bytes.saturating_sub(FRAME_BYTES).to_string();
    call(instance.as_mut(), "grow_state", &ballast).await;
    let snapshot = instance.snapshot().await.unwrap();
    let snapshot = Snapshot { bytes: &snapshot, schema_version: 1 };
    let mut run = async |metric: &str, step: Step| {
        let time = median(count, async || match step {
            Step::Restore => instance.restore(&id, Some(snapshot)).await.unwrap(),
            Step::Query => call(instance.as_mut(), "value", "null").await,
            Step::Snapshot => drop(instance.snapshot().await.unwrap()),
            Step::Update => {
                call(instance.as_mut(), "increment", "null").await;
                drop(instance.snapshot().await.unwrap());
            }
        });
        print(metric, name, time.await);
    };
    run("restore, µs", Step::Restore).await;
    run("query, µs", Step::Query).await;
    run("snapshot, µs", Step::Snapshot).await;
    run("update and snapshot, µs", Step::Update).await;
}

#[derive(Clone, Copy)]
enum Step {
    Restore,
    Query,
    Snapshot,
    Update,
}

/// Measures the memory of an instance that was called once.
async fn memory(component: &dyn Component) {
    let id = ObjectId::new("counter", "k").unwrap();
    let (bytes, mappings) = (resident_bytes(), mapping_count());
    let mut live = Vec::new();
    for _ in 0..LIVE_COUNT {
        let mut instance = component.instantiate().await.unwrap();
        instance.restore(&id, None).await.unwrap();
        call(instance.as_mut(), "increment", "null").await;
        live.push(instance);
    }
    let per_instance = |before: usize, now: usize| (now - before) as f64 / LIVE_COUNT as f64;
    print("live instance, bytes", COUNTER, per_instance(bytes, resident_bytes()));
    print("live instance, mappings", COUNTER, per_instance(mappings, mapping_count()));
}

async fn call(instance: &mut dyn Instance, handler: &str, argument: &str) {
    let call = GuestCall::new(handler, HandlerKind::Update, argument.as_bytes(), 1);
    instance.handle(call).await.unwrap().unwrap();
}

/// Returns the median of `count` runs, in microseconds.
async fn median(count: usize, mut run: impl AsyncFnMut()) -> f64 {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        run().await;
        times.push(began.elapsed());
    }
    times.sort();
    times.get(count / 2).copied().unwrap_or_default().as_secs_f64() * 1e6
}

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn mapping_count() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

fn print(metric: &str, subject: &str, value: f64) {
    println!("{}", json!({ "metric": metric, "subject": subject, "value": value }));
}
