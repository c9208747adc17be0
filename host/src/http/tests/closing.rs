//! End of connections when the node stops: none is reset, and requests already sent get a response. The system
//! tests cover whole processes that stop under load.

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;
use crate::http::server;

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n";

/// Reads until the connection is closed without a reset.
async fn to_the_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let reading = stream.read_to_end(&mut text);
    let read = tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .expect("the connection is closed in time");
    read.expect("the connection is not reset");
    String::from_utf8(text).unwrap()
}

#[track_caller]
fn is_last_answer(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer:?}");
}

#[tokio::test]
async fn whoever_has_just_connected_is_answered_once() {
    let harness = Harness::start().await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(harness.connect().await);
    }
    harness.stage.send_replace(Stage::Closing);
    for stream in &mut streams {
        stream.write_all(HEALTH).await.unwrap();
    }
    for stream in &mut streams {
        is_last_answer(&to_the_end(stream).await);
    }
    assert!(TcpStream::connect(&harness.address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn whoever_calls_again_at_once_is_answered_once_more() {
    let harness = Harness::start().await;
    let mut stream = harness.connect().await;
    stream.write_all(HEALTH).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    harness.stage.send_replace(Stage::Closing);
    stream.write_all(HEALTH).await.unwrap();
    let rest = to_the_end(&mut stream).await;
    is_last_answer(&rest[rest.find("HTTP/1.1").unwrap_or_default()..]);
}

#[tokio::test]
async fn a_head_that_is_sent_by_half_delays_nobody() {
    let harness = Harness::start().await;
    let mut half = harness.connect().await;
    half.write_all(b"GET /hea").await.unwrap();
    let mut quick = harness.connect().await;
    harness.stage.send_replace(Stage::Closing);
    quick.write_all(HEALTH).await.unwrap();
    is_last_answer(&to_the_end(&mut quick).await);
    assert_eq!(to_the_end(&mut half).await, "");
}

#[tokio::test]
async fn a_call_that_is_under_way_is_answered() {
    let harness = Harness::start().await;
    let mut stream = harness.connect().await;
    let call =
        "POST /v1/objects/counter/a/sleep HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n700";
    stream.write_all(call.as_bytes()).await.unwrap();
    while harness.get("/v1/objects/counter?active=true").await.json()["keys"]
        != serde_json::json!(["a"])
    {
        tokio::task::yield_now().await;
    }
    harness.stage.send_replace(Stage::Closing);
    is_last_answer(&to_the_end(&mut stream).await);
}

#[tokio::test]
async fn a_node_that_leaves_takes_connections_and_tells_clients_to_go_elsewhere() {
    let harness = Harness::start().await;
    let mut before = harness.connect().await;
    harness.stage.send_replace(Stage::Leaving);
    for stream in [&mut before, &mut harness.connect().await] {
        stream.write_all(HEALTH).await.unwrap();
        is_last_answer(&to_the_end(stream).await);
    }
}

#[tokio::test]
async fn http2_says_by_itself_that_the_connection_ends() {
    let harness = Harness::start().await;
    let stream = TokioIo::new(harness.connect().await);
    let (mut sender, connection) =
        http2::handshake::<_, _, http_body_util::Empty<bytes::Bytes>>(TokioExecutor::new(), stream)
            .await
            .unwrap();
    let ended = tokio::spawn(connection);
    let request = || http::Request::get(harness.url.clone() + "/healthz").body(Default::default());
    harness.stage.send_replace(Stage::Leaving);
    let answer = sender.send_request(request().unwrap()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("connection")), (200, None));
    harness.stage.send_replace(Stage::Closing);
    let ended = tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .expect("the connection ends in time");
    ended.unwrap().expect("the connection ends without an error");
}

#[tokio::test]
async fn a_node_that_ends_before_it_has_begun_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(HEALTH).await.unwrap();
    let closing = tokio::spawn(server::close_unused(listener));
    let answer = to_the_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("draining"), "{answer}");
    drop(stream);
    closing.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_refusal_of_one_connection_too_many_arrives_whatever_was_sent() {
    let harness = Harness::with(|config| config.connection_max = 1).await;
    let mut first = harness.connect().await;
    first.write_all(HEALTH).await.unwrap();
    first.read_exact(&mut [0]).await.unwrap();
    for _ in 0..20 {
        let mut stream = harness.connect().await;
        stream.write_all(&[HEALTH, &[b'x'; 50_000]].concat()).await.unwrap();
        assert!(to_the_end(&mut stream).await.starts_with("HTTP/1.1 429 "));
    }
}
