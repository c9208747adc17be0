//! Clients that are slow or send too much: they lose their connection, without effect on other clients.

use std::process::Command;
use std::time::Duration;

use highlander_tests::client::Client;
use highlander_tests::history::Outcome;
use highlander_tests::history::recorder::Recorder;
use highlander_tests::node::{self, Node, Options};
use highlander_tests::wait;
use highlander_tests::wire::Wire;
use highlander_tests::{artifacts, command};

/// Pause between two bytes.
const PAUSE: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_client_that_sends_its_head_byte_by_byte_is_cut_off() {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    let mut wire = Wire::connect(node.url()).await;
    let head = wire.call("counter/slow", "increment", &"x-filler: 0123456789\r\n".repeat(1_000));
    let sending = async {
        for byte in head.bytes() {
            if !wire.write(&[byte]).await || wire.is_over_within(PAUSE).await {
                return;
            }
            assert_eq!(client.value("counter/other").await, 0, "other clients must be answered");
        }
    };
    wait::within("the slow client is disconnected", sending).await;
    assert_eq!(client.value("counter/slow").await, 0);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let node = Node::with_guests(&["counter"]).await;
    for headers in [format!("x-filler: {}\r\n", "x".repeat(20 << 10)), "x: y\r\n".repeat(200)] {
        let mut wire = Wire::connect(node.url()).await;
        let head = wire.call("counter/a", "increment", &headers);
        // The node may respond and close the connection before the client has written everything.
        wire.write(head.as_bytes()).await;
        let answer = wire.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert!(answer.contains("\"code\":\"head-too-large\""), "{answer}");
    }
    let long = "k".repeat(3_000);
    let reply = node.client().get(&format!("/v1/objects/counter?prefix={long}")).send().await;
    reply.problem("head-too-large");
    assert_eq!(node.client().value("counter/a").await, 0);
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let node = Node::start(Options::new()).await;
    for text in
        ["hello\r\n\r\n", "GET /healthz SMTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nbad header\r\n\r\n"]
    {
        let mut wire = Wire::connect(node.url()).await;
        assert!(wire.write(text.as_bytes()).await);
        let answer = wire.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{text:?}: {answer:?}");
        assert!(answer.contains("\"code\":\"malformed-request\""), "{answer}");
    }
    assert!(node.client().is_ready().await);
}

/// A request that two servers could parse differently must not smuggle another request in its body.
#[tokio::test]
async fn no_request_is_smuggled_in_the_body_of_another() {
    let node = Node::with_guests(&["counter"]).await;
    for headers in ["content-length: 5\r\n", "transfer-encoding: chunked\r\n"] {
        let mut wire = Wire::connect(node.url()).await;
        let request = wire.call("counter/a", "increment", headers);
        let smuggled = wire.call("counter/smuggled", "increment", "connection: close\r\n");
        assert!(wire.write(format!("{request}0\r\n\r\n{smuggled}").as_bytes()).await);
        let answer = wire.read_to_end().await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{headers:?}: {answer:?}");
        let value = node.client().value("counter/smuggled").await;
        assert_eq!(value, 0, "{headers:?}: {answer:?}");
    }
}

/// A process with 100 file descriptors and 200 clients.
#[tokio::test]
async fn a_node_without_file_descriptors_loses_nothing_and_recovers() {
    let data = tempfile::tempdir().unwrap();
    let mut limited = Command::new("sh");
    command::clear_environment(&mut limited);
    limited.args(["-c", "ulimit -n 100 && exec \"$0\" \"$@\""]).arg(artifacts::binary());
    limited.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
    let (_process, url) = node::launch(&mut limited).await;
    let (client, recorder) = (Client::new(&url), Recorder::new("counter/a"));
    client.deploy("counter").await;
    let mut wires = Vec::new();
    for _ in 0..200 {
        wires.push(Wire::connect(&url).await);
        // The client reuses its own open connection.
        let _ = recorder.change(&client, None).await;
    }
    drop(wires);
    let after = Client::new(&url);
    wait::until("the node accepts connections again", async || after.is_ready().await).await;
    assert!(matches!(recorder.change(&after, None).await, Outcome::Done(_)));
    assert!(recorder.audit(&after).await.value > 200 / 2);
}
