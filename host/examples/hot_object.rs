//! Benchmark of one hot object on a slow store: 64 clients increment one counter, and every answer of the store
//! takes 20 ms. The output includes the number of updates that share a write.
//!
//! Run with `cargo run --release -p highlander --example hot_object target/guests/counter.wasm [ROUNDS [MILLIS]]`.
//! It prints lines of JSON, which `cargo xtask bench hot-object` reads.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "it measures, and prints")]

use std::sync::Arc;
use std::time::Duration;

use highlander::node::{Config, Node, Ports};
use highlander::registry::local::{Directory, LocalSessions};
use highlander_core::activation::{Call, Consistency, Operation, Precondition};
use highlander_core::call_context::Origin;
use highlander_core::caller::Caller;
use highlander_core::catalog::deploy::DeployOptions;
use highlander_core::id::ObjectId;
use highlander_core::store::Store;
use highlander_system::clock;
use highlander_testing::memory::Memory;
use highlander_wasmtime::{SandboxConfig, WasmtimeEngine};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

const CLIENT_COUNT: usize = 64;
const LATENCY: Duration = Duration::from_millis(20);
const WARM_UP: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let counter = std::fs::read(arguments.next().expect("the path of counter.wasm")).unwrap();
    let round_count: usize = arguments.next().map_or(5, |text| text.parse().unwrap());
    let millis = arguments.next().map_or(2_000, |text| text.parse().unwrap());

    let store = Arc::new(Memory::with_latency(LATENCY));
    let ports = Ports {
        sessions: Arc::new(LocalSessions::new(Directory::new(), "n1", "127.0.0.1:1")),
        store: Arc::clone(&store) as Arc<dyn Store>,
        engine: Arc::new(WasmtimeEngine::new(SandboxConfig::default()).unwrap()),
    };
    let config = Config { resident_max: 16, ..Config::default() };
    let node = Node::start(ports, &config, None);
    node.joined().await;
    node.deploy(counter.into(), &DeployOptions::default()).await.unwrap();
    load(&node, WARM_UP).await;
    for _ in 0..round_count {
        let (writes_before, began) = (store.put_count(), Instant::now());
        let update_count = load(&node, Duration::from_millis(millis)).await;
        let seconds = began.elapsed().as_secs_f64();
        let write_count = store.put_count() - writes_before;
        print("updates per second", update_count as f64 / seconds);
        print("writes per second", write_count as f64 / seconds);
        print("updates per write", update_count as f64 / write_count.max(1) as f64);
    }
}

/// Increments from all clients, each after its previous answer. Returns the number of increments.
async fn load(node: &Arc<Node>, limit: Duration) -> u64 {
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENT_COUNT {
        let node = Arc::clone(node);
        clients.spawn(async move {
            let id = ObjectId::new("counter", "hot").unwrap();
            let mut count = 0;
            while began.elapsed() < limit {
                node.call(&id, increment()).await.unwrap();
                count += 1;
            }
            count
        });
    }
    clients.join_all().await.into_iter().sum()
}

fn increment() -> Call {
    Call {
        operation: Operation::Handle { handler: "increment".into(), argument: "null".into() },
        caller: Caller::Anonymous,
        origin: Origin::default(),
        precondition: Precondition::None,
        consistency: Consistency::Lease,
        key: None,
        deadline: clock::now() + Duration::from_secs(10),
    }
}

fn print(metric: &str, value: f64) {
    println!("{}", json!({ "metric": metric, "subject": "highlander", "value": value }));
}
