//! What an object costs: times of the wasmtime engine, and the memory of a live instance.
//!
//! Run it with the built guests:
//! `cargo run --release --example engine_costs -- target/guests/counter.wasm target/guests/misbehaving.wasm`

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "it measures, and prints")]
#![allow(clippy::disallowed_methods, reason = "it measures by the clock that does not jump")]

use std::time::{Duration, Instant};

use highlander_host::engine::wasmtime::{SandboxConfig, WasmtimeEngine};
use highlander_host::engine::{Component, Engine, GuestCall, Instance};
use highlander_host::id::{Digest, ObjectId};

#[tokio::main]
async fn main() {
    let mut paths = std::env::args().skip(1);
    let counter = bytes::Bytes::from(std::fs::read(paths.next().unwrap()).unwrap());
    let larger = bytes::Bytes::from(std::fs::read(paths.next().unwrap()).unwrap());
    let cache = std::env::temp_dir().join(format!("engine-costs-{}", std::process::id()));
    let sandbox = SandboxConfig { cache_dir: Some(cache.clone()), ..SandboxConfig::default() };

    let engine = WasmtimeEngine::new(sandbox.clone()).unwrap();
    let began = Instant::now();
    let component = engine.load(Digest::of(&counter), counter.clone()).await.unwrap();
    println!("compile {} KB: {:?}", counter.len() / 1024, began.elapsed());
    let other = WasmtimeEngine::new(sandbox).unwrap();
    let began = Instant::now();
    other.load(Digest::of(&counter), counter).await.unwrap();
    println!("load precompiled: {:?}", began.elapsed());

    component.describe().await.unwrap();
    counts(component.as_ref()).await;
    let component = engine.load(Digest::of(&larger), larger).await.unwrap();
    component.describe().await.unwrap();
    for bytes in ["0", "15000", "1000000"] {
        states(component.as_ref(), bytes).await;
    }
    for handler in ["spin", "copy_in_a_loop"] {
        loops(component.as_ref(), handler).await;
    }
    memory(&engine, component.as_ref()).await;
    std::fs::remove_dir_all(cache).unwrap();
}

/// The median of `count` runs.
async fn median(count: usize, mut run: impl AsyncFnMut()) -> Duration {
    let mut times = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        run().await;
        times.push(began.elapsed());
    }
    times.sort();
    times.get(times.len() / 2).copied().unwrap()
}

async fn counts(component: &dyn Component) {
    let time = median(2_000, async || drop(component.instantiate().await.unwrap())).await;
    println!("instantiate and drop: {time:?}");
    let id = ObjectId::new("counter", "k").unwrap();
    let time = median(2_000, async || {
        let mut instance = component.instantiate().await.unwrap();
        instance.restore(&id, Some((b"{\"value\":7}", 1))).await.unwrap();
    });
    println!("instantiate, restore and drop: {:?}", time.await);
    let mut instance = component.instantiate().await.unwrap();
    instance.restore(&id, None).await.unwrap();
    // Too short to be timed one by one.
    let began = Instant::now();
    for _ in 0..100_000 {
        call(instance.as_mut(), "value", "null").await;
    }
    println!("query: {:?}", began.elapsed() / 100_000);
    let began = Instant::now();
    for _ in 0..100_000 {
        call(instance.as_mut(), "increment", "null").await;
        instance.snapshot().await.unwrap();
    }
    println!("update and snapshot: {:?}", began.elapsed() / 100_000);
}

async fn states(component: &dyn Component, bytes: &str) {
    let id = ObjectId::new("misbehaving", "k").unwrap();
    let mut instance = component.instantiate().await.unwrap();
    instance.restore(&id, None).await.unwrap();
    call(instance.as_mut(), "grow_state", bytes).await;
    let snapshot = instance.snapshot().await.unwrap();
    let time = median(200, async || drop(instance.snapshot().await.unwrap())).await;
    println!("state of {bytes} bytes: snapshot {time:?}");
    let time = median(200, async || {
        instance.restore(&id, Some((&snapshot, 1))).await.unwrap();
        call(instance.as_mut(), "increment", "null").await;
        instance.snapshot().await.unwrap();
    });
    println!("state of {bytes} bytes: restore, update and snapshot {:?}", time.await);
}

/// How long a guest that loops lives, and how long it holds its thread at a time.
async fn loops(component: &dyn Component, handler: &str) {
    let id = ObjectId::new("misbehaving", "k").unwrap();
    let mut instance = component.instantiate().await.unwrap();
    instance.restore(&id, None).await.unwrap();
    let began = Instant::now();
    let neighbour = async {
        let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
        while began.elapsed() < Duration::from_secs(1) {
            tokio::task::yield_now().await;
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        longest
    };
    let looping = async {
        let call = GuestCall { handler, argument: b"null", version: 1 };
        instance.handle(call).await.unwrap_err();
        began.elapsed()
    };
    let (stopped, longest) = tokio::join!(looping, neighbour);
    println!("{handler}: stopped after {stopped:?}, held its thread for {longest:?} at most");
}

async fn memory(engine: &WasmtimeEngine, component: &dyn Component) {
    let id = ObjectId::new("misbehaving", "k").unwrap();
    let (bytes, mappings) = (resident_bytes(), mapping_count());
    let mut live = Vec::new();
    for _ in 0..2_000 {
        let mut instance = component.instantiate().await.unwrap();
        instance.restore(&id, None).await.unwrap();
        call(instance.as_mut(), "increment", "null").await;
        live.push(instance);
    }
    let per_instance = (resident_bytes() - bytes) / live.len();
    println!(
        "live instance: {per_instance} bytes resident, {} bytes of linear memory, {:.1} mappings",
        engine.memory_bytes() / live.len(),
        (mapping_count() - mappings) as f64 / live.len() as f64,
    );
    drop(live);
    println!("after 2000 instances ended: {} bytes more resident", resident_bytes() - bytes);
}

async fn call(instance: &mut dyn Instance, handler: &str, argument: &str) {
    let call = GuestCall { handler, argument: argument.as_bytes(), version: 1 };
    instance.handle(call).await.unwrap().unwrap();
}

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn mapping_count() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}
