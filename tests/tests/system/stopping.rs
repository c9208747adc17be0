//! Graceful shutdown by signal: a node completes the calls in progress, and loses nothing (guarantees D1, L2).

use std::sync::Arc;

use highlander_tests::history::recorder::Recorder;
use highlander_tests::load::Load;
use highlander_tests::node::{Node, Options};
use highlander_tests::plain::Connection;
use highlander_tests::reply::Reply;
use highlander_tests::wait;
use highlander_tests::wire::Wire;
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

#[tokio::test]
async fn a_node_that_is_stopped_under_load_keeps_every_answer() {
    let mut node = Node::with_guests(&["counter"]).await;
    let recorder = Arc::new(Recorder::new("counter/a"));
    for round in 0..3 {
        let load = Load::start(&node.client(), &recorder, 16, round);
        let answers = recorder.answered_count() + 100;
        wait::within("answers under load", recorder.has_answered(answers)).await;
        let status = node.terminate().await;
        assert!(status.success(), "{status}");
        // Every caller received "not executed", or could not connect.
        assert_eq!(load.end().await, 16);
        node.restart().await;
        let _ = recorder.audit(&node.client()).await;
    }
}

type Spinning = JoinHandle<reqwest::Result<Reply>>;

/// Starts a node with a call in progress that takes 10 s.
async fn node_at_work() -> (Node, Spinning) {
    let options = Options::new().with("sandbox.cpu_max", "10s").with("objects.call_timeout", "60s");
    let node = Node::start_with(options, &["misbehaving", "counter"]).await;
    assert_eq!(node.client().increment("misbehaving/a").await, 1);
    let spinning = node.client().keep_busy("misbehaving/a").await;
    (node, spinning)
}

#[tokio::test]
async fn a_node_that_is_stopping_begins_nothing_new() {
    let (node, _call) = node_at_work().await;
    let client = node.client();
    node.signal(Signal::TERM);
    wait::until("the node is draining", async || !client.is_ready().await).await;
    let problem = client.call("counter/a", "increment").send().await.problem("draining");
    assert_eq!(problem["object"], "counter/a");
    client.get("/readyz").send().await.problem("draining");
    assert_eq!(client.get("/healthz").send().await.done().text(), "ok\n");
    let nodes = client.get("/v1/nodes").send().await.done().json();
    assert_eq!(nodes["nodes"][0]["status"], "draining");
}

#[tokio::test]
async fn a_second_signal_ends_the_node_at_once() {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::INT)] {
        let (mut node, call) = node_at_work().await;
        let client = node.client();
        node.signal(first);
        wait::until("the node is draining", async || !client.is_ready().await).await;
        node.signal(second);
        let status = node.end().await;
        assert_eq!(status.code(), Some(2), "{status}");
        assert!(call.await.unwrap().is_err(), "the call should not have been answered");
        node.restart().await;
        assert_eq!(node.client().value("misbehaving/a").await, 1);
    }
}

#[tokio::test]
async fn ctrl_c_stops_in_order_too() {
    let mut node = Node::with_guests(&["counter"]).await;
    assert_eq!(node.client().increment("counter/a").await, 1);
    node.signal(Signal::INT);
    let status = node.end().await;
    assert!(status.success(), "{status}");
    node.restart().await;
    assert_eq!(node.client().value("counter/a").await, 1);
}

/// Connects and sends requests until no process listens any more. Returns the first error before that.
async fn ask_until_refused(url: String, answered: watch::Sender<u64>) -> Result<(), String> {
    while let Ok(mut connection) = Connection::open(&url).await {
        match connection.ask("GET /healthz").await {
            Ok(answer) if answer.status == 200 => answered.send_modify(|count| *count += 1),
            other => return Err(format!("unexpected result after connecting: {other:?}")),
        }
    }
    Ok(())
}

#[tokio::test]
async fn no_connection_that_was_made_is_reset_as_a_node_stops() {
    let mut node = Node::start(Options::new()).await;
    for round in 0..20 {
        // A client that has sent half a head does not delay the shutdown.
        let mut half = Wire::connect(node.url()).await;
        assert!(half.write(b"GET /hea").await);
        let (answered, mut counted) = watch::channel(0);
        let mut clients = JoinSet::new();
        for _ in 0..8 {
            clients.spawn(ask_until_refused(node.url().to_owned(), answered.clone()));
        }
        wait::within("answers", counted.wait_for(|count| *count >= 200)).await.unwrap();
        let status = node.terminate().await;
        assert!(status.success(), "{status}");
        while let Some(ended) = clients.join_next().await {
            assert_eq!(ended.unwrap(), Ok(()), "in round {round}");
        }
        node.restart().await;
    }
}
