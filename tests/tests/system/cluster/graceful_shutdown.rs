//! Graceful shutdown of nodes: no call fails (guarantee L2).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::load::{Load, Manner};
use highlander_tests::cluster::node_process::NodeProcess;
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::iterations::iterations;
use highlander_tests::plain::Connection;
use highlander_tests::{command, seed, wait};
use tokio::task::JoinSet;

/// Uses a session timeout that a busy machine does not exceed.
fn options() -> ClusterOptions {
    ClusterOptions::new().session(Duration::from_secs(10))
}

#[tokio::test]
async fn no_call_of_a_patient_client_fails_while_all_nodes_are_restarted() {
    let mut random =
        seed::random_numbers("no_call_of_a_patient_client_fails_while_all_nodes_are_restarted");
    let cluster = Cluster::start(options()).await;
    let objects = Objects::journals("rolling", 12);
    for _ in 0..iterations(1, 10) {
        let met = super::under_patient_load(&cluster, &objects, &mut random, async || {
            for node in cluster.nodes() {
                let status = node.terminate().await;
                assert!(status.success(), "{status}");
                node.restart().await;
                cluster.is_whole().await;
            }
        })
        .await;
        eprintln!("all nodes restarted: {met:?}");
        assert_eq!(met.given_up, 0);
        let totals = objects.check_history(&cluster).await;
        assert_eq!(totals.unknown, 0, "an orderly stop left a call without an answer: {totals:?}");
    }
}

/// Callers never retry, and call through the remaining nodes.
#[tokio::test]
async fn no_call_fails_while_a_node_hands_its_objects_over() {
    let mut random = seed::random_numbers("no_call_fails_while_a_node_hands_its_objects_over");
    let cluster = Cluster::start(options()).await;
    let count = usize::try_from(iterations(150, 1_000)).unwrap();
    let objects = Objects::journals("handed-over", count * 3);
    let _ = objects.settle(&cluster).await;
    let manner = Manner::of(&cluster, super::CALLERS).through(&[1, 2]);
    let load =
        Load::start(&cluster, &objects, manner.pause(Duration::from_millis(30)), &mut random);
    objects.more_answers(super::ANSWERS).await;
    let active = cluster.client(0).metric("highlander_active_objects").await;
    assert!(active > 0.0, "the node has no objects to hand over");
    let url = cluster.node(1).url();
    let drained = command::highlander().url(&url).run(&["drain", "n0"]).await.done();
    eprintln!("{active} objects handed over: {} {}", drained.stdout.trim(), drained.stderr.trim());
    let client = cluster.client(0);
    wait::until("all objects are handed over", async || {
        client.metric("highlander_active_objects").await == 0.0
    })
    .await;
    objects.more_answers(super::ANSWERS).await;
    let met = load.stop().await;
    assert_eq!(met.failed, 0, "{met:?}");
    cluster.node(0).kill9();
    let totals = objects.check_history(&cluster).await;
    assert_eq!((totals.not_executed, totals.unknown), (0, 0), "{totals:?}");
}

/// Clients that switch to another node only if they cannot connect, and never repeat a call.
#[derive(Debug)]
struct Clients {
    nodes: Vec<Arc<NodeProcess>>,
    is_over: AtomicBool,
    done: AtomicU64,
}

impl Clients {
    /// Calls a counter repeatedly, and returns the number of calls or the first error. Every other client keeps
    /// its connection for as long as the node allows.
    async fn call(self: Arc<Self>, number: usize) -> Result<u64, String> {
        let (mut done, mut kept, mut at) = (0, None, number);
        while !self.is_over.load(Ordering::Relaxed) {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => self.connect(&mut at).await,
            };
            let request = format!("POST /v1/objects/counter/c-{number}/increment");
            match connection.ask(&request).await {
                Ok(answer) if answer.status == 200 => {
                    done += 1;
                    self.done.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(answer.body, done.to_string());
                    kept = (number.is_multiple_of(2) && !answer.is_last).then_some(connection);
                }
                other => {
                    return Err(format!("client {number} failed after {done} calls: {other:?}"));
                }
            }
            if kept.is_none() {
                at += 1;
            }
        }
        Ok(done)
    }

    async fn connect(&self, at: &mut usize) -> Connection {
        loop {
            match Connection::open(&self.nodes[*at % self.nodes.len()].url()).await {
                Ok(connection) => return connection,
                Err(_) => *at += 1,
            }
        }
    }
}

#[tokio::test]
async fn no_call_fails_while_all_nodes_are_restarted() {
    let cluster = Cluster::start(options().guests(&["counter"])).await;
    let nodes = cluster.nodes().to_vec();
    let clients = Arc::new(Clients { nodes, is_over: false.into(), done: 0.into() });
    let mut calling = JoinSet::new();
    for number in 0..super::CALLERS {
        calling.spawn(Arc::clone(&clients).call(number));
    }
    let more_calls = async || {
        let enough = clients.done.load(Ordering::Relaxed) + super::ANSWERS;
        wait::until("more calls are done", async || clients.done.load(Ordering::Relaxed) >= enough)
            .await;
    };
    let rounds = iterations(1, 20);
    for _ in 0..rounds {
        for node in cluster.nodes() {
            more_calls().await;
            let status = node.terminate().await;
            assert!(status.success(), "{status}");
            more_calls().await;
            node.restart().await;
            cluster.is_whole().await;
        }
    }
    more_calls().await;
    clients.is_over.store(true, Ordering::Relaxed);
    let mut failed = Vec::new();
    while let Some(ended) = calling.join_next().await {
        failed.extend(ended.unwrap().err());
    }
    let done = clients.done.load(Ordering::Relaxed);
    eprintln!("{rounds} rolling restarts, {done} calls done, {} clients failed", failed.len());
    assert_eq!(failed, Vec::<String>::new());
}
