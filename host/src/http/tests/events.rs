//! Watching an object at one node, as clients do. Streams between nodes are covered by the tests of `peers` and
//! the system tests.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::*;
use crate::wire::sse::{Reader, Received};

const PATH: &str = "/v1/objects/counter/a/events";

/// Stream of server-sent events.
struct Stream {
    response: reqwest::Response,
    reader: Reader,
}

impl Stream {
    async fn begin(harness: &Harness, after: Option<&str>) -> Self {
        let mut request = harness.request(Method::GET, PATH);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert!(response.headers().contains_key("highlander-node"));
        Self { response, reader: Reader::default() }
    }

    /// Returns the next event; `None` at the end.
    async fn next(&mut self) -> Option<Received> {
        loop {
            if let Some(event) = self.reader.take().unwrap() {
                return Some(event);
            }
            let reading = tokio::time::timeout(Duration::from_secs(20), self.response.chunk());
            let bytes = reading.await.expect("an event arrives in time").unwrap()?;
            self.reader.push(&bytes);
        }
    }

    async fn says(&mut self, id: &str, name: &str, data: &str) {
        let Received { id: found, name: called, data: with } = self.next().await.unwrap();
        assert_eq!((found.as_deref(), called.as_str()), (Some(id), name));
        assert_eq!(with, data);
    }
}

/// Returns the version and state of a counter after `version` increments, as JSON. Its type publishes the state.
fn stand(version: u64) -> String {
    format!("{{\"version\":{version},\"state\":{{\"value\":{version}}}}}")
}

async fn add(harness: &Harness) {
    assert_eq!(harness.post("/v1/objects/counter/a/add", "1").await.status, 200);
}

#[tokio::test]
async fn a_stream_begins_with_where_the_object_stands_and_tells_every_change() {
    let harness = Harness::start().await;
    let mut stream = Stream::begin(&harness, None).await;
    stream.says("0", "reset", "{\"version\":0}").await;
    add(&harness).await;
    add(&harness).await;
    stream.says("1", "changed", &stand(1)).await;
    stream.says("2", "changed", &stand(2)).await;
    harness
        .post("/v1/objects/counter/a/reject", "null")
        .await
        .is_problem(ErrorCode::ObjectRejected);
    assert_eq!(send(harness.request(Method::DELETE, "/v1/objects/counter/a")).await.status, 200);
    stream.says("3", "changed", "{\"version\":3,\"deleted\":true}").await;
    let metrics = harness.node.render_metrics();
    assert!(metrics.contains("highlander_watchers 1"), "{metrics}");
    assert!(metrics.contains("highlander_events_sent_total 4"), "{metrics}");
}

#[tokio::test]
async fn a_stream_is_resumed_after_the_last_event_that_was_seen() {
    let harness = Harness::start().await;
    let _kept = Stream::begin(&harness, None).await;
    for _ in 0..3 {
        add(&harness).await;
    }
    let mut stream = Stream::begin(&harness, Some("1")).await;
    stream.says("2", "changed", &stand(2)).await;
    stream.says("3", "changed", &stand(3)).await;
    let mut ahead = Stream::begin(&harness, Some("9")).await;
    ahead.says("3", "reset", &stand(3)).await;
}

#[tokio::test]
async fn where_an_object_stands_is_told_once_too() {
    let harness = Harness::start().await;
    add(&harness).await;
    for accept in
        ["application/json", "application/json, text/plain, */*", "Application/JSON;q=0.1"]
    {
        let request = harness.request(Method::GET, PATH).header("accept", accept);
        let answer = send(request).await;
        assert_eq!((answer.status, &answer.body), (200, &stand(1)));
        assert_eq!(answer.header("highlander-version"), Some("1"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let head = send(harness.request(Method::HEAD, PATH)).await;
    assert_eq!((head.status, head.header("highlander-version")), (200, Some("1")));
}

#[tokio::test]
async fn what_cannot_be_watched_is_a_problem() {
    let harness = Harness::start().await;
    harness.get("/v1/objects/nothing/a/events").await.is_problem(ErrorCode::UnknownType);
    let request = harness.request(Method::GET, PATH).header("last-event-id", "x");
    send(request).await.is_problem(ErrorCode::MalformedRequest);
    for (accept, code) in
        [("image/png", ErrorCode::NotAcceptable), ("json", ErrorCode::MalformedRequest)]
    {
        let request = harness.request(Method::GET, PATH).header("accept", accept);
        send(request).await.is_problem(code);
    }
    harness.post(PATH, "").await.is_problem(ErrorCode::MethodNotAllowed);
    let half = harness.request(Method::GET, PATH).header("upgrade", "websocket");
    send(half).await.is_problem(ErrorCode::MalformedRequest);
    assert!(!harness.node.hub().is_followed(&"counter/a".parse().unwrap()));
}

#[tokio::test]
async fn a_client_is_told_that_the_node_stops() {
    let harness = Harness::start().await;
    let mut stream = Stream::begin(&harness, None).await;
    let mut socket = socket(&harness, "").await;
    stream.says("0", "reset", "{\"version\":0}").await;
    assert_eq!(said(&mut socket).await["event"], "reset");
    harness.stage.send_replace(Stage::Closing);
    let closed = stream.next().await.unwrap();
    assert_eq!((closed.id, closed.name.as_str()), (None, "closed"));
    assert!(String::from_utf8_lossy(&closed.data).contains("\"reason\":\"node-stopping\""));
    assert_eq!(stream.next().await, None);
    let closed = said(&mut socket).await;
    assert_eq!(
        (&closed["event"], &closed["data"]["reason"]),
        (&"closed".into(), &"node-stopping".into())
    );
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(Some(_))))));
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_that_listens_is_not() {
    let harness = Harness::with(|config| {
        config.idle_timeout = Duration::from_millis(100);
        config.header_timeout = Duration::from_millis(100);
    });
    let harness = harness.await;
    let mut stream = Stream::begin(&harness, None).await;
    let mut idle = harness.connect().await;
    stream.says("0", "reset", "{\"version\":0}").await;
    rest(&mut idle).await;
    add(&harness).await;
    stream.says("1", "changed", &stand(1)).await;
}

#[tokio::test]
async fn a_slow_reader_is_sent_away_and_delays_nobody() {
    let harness = Harness::start().await;
    let mut slow = Stream::begin(&harness, None).await;
    let mut quick = Stream::begin(&harness, None).await;
    let hub = harness.node.hub();
    let id: highlander_core::id::ObjectId = "counter/a".parse().unwrap();
    let data = bytes::Bytes::from(format!("\"{}\"", "x".repeat(100_000)));
    for version in 1..=400 {
        let events =
            vec![highlander_core::effects::Event { name: "large".into(), data: data.clone() }];
        let state = highlander_core::events::ShownState::Hidden;
        let change = highlander_core::events::Change { version, events, state };
        hub.publish(&id, change);
        while quick.next().await.unwrap().id != Some(version.to_string()) {}
    }
    let mut last = slow.next().await.unwrap();
    while let Some(event) = slow.next().await {
        last = event;
    }
    assert_eq!(last.name, "closed");
    assert!(String::from_utf8_lossy(&last.data).contains("\"reason\":\"too-slow\""));
    assert_eq!(harness.node.metrics().slow_watchers.get(), 1);
}

async fn socket(harness: &Harness, query: &str) -> WebSocketStream<TcpStream> {
    let url = format!("ws://{}{PATH}{query}", harness.address);
    let request = url.into_client_request().unwrap();
    let stream = harness.connect().await;
    let (socket, response) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    assert_eq!(response.status(), 101);
    assert!(response.headers().contains_key("highlander-node"));
    socket
}

/// Returns the next event of a WebSocket.
async fn said(socket: &mut WebSocketStream<TcpStream>) -> Value {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(20), socket.next()).await;
        match next.expect("an event arrives in time").unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_websocket_tells_the_same() {
    let harness = Harness::start().await;
    let mut first = socket(&harness, "").await;
    let expected = serde_json::json!({ "id": "0", "event": "reset", "data": { "version": 0 } });
    assert_eq!(said(&mut first).await, expected);
    add(&harness).await;
    add(&harness).await;
    let data = serde_json::json!({ "version": 1, "state": { "value": 1 } });
    let expected = serde_json::json!({ "id": "1", "event": "changed", "data": data });
    assert_eq!(said(&mut first).await, expected);
    let mut second = socket(&harness, "?last_event_id=1").await;
    assert_eq!(said(&mut second).await["id"], "2");
    first.send(Message::Ping("x".into())).await.unwrap();
    first.send(Message::text("whatever")).await.unwrap();
    assert_eq!(said(&mut first).await["id"], "2");
    first.close(None).await.unwrap();
    while let Some(Ok(_)) = first.next().await {}
    while harness.node.metrics().watchers.get() > 1 {
        tokio::task::yield_now().await;
    }
}

/// Sends client frames with masks of zero.
#[tokio::test]
async fn who_breaks_the_protocol_is_told_how() {
    const MASK: [u8; 4] = [0; 4];
    let frame = |first: u8, payload: &[u8]| {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        let length = if payload.len() < 126 {
            vec![0x80 | length[1]]
        } else {
            vec![0x80 | 126, length[0], length[1]]
        };
        [&[first], &length[..], &MASK, payload].concat()
    };
    let half = vec![b'x'; 3000];
    let harness = Harness::start().await;
    for (what, bytes, code) in [
        ("an unknown kind", frame(0x83, b""), 1002),
        ("an unknown control frame", frame(0x8b, b""), 1002),
        ("a reserved bit", frame(0xc1, b""), 1002),
        ("no mask", vec![0x81, 1, b'x'], 1002),
        ("a ping in parts", frame(0x09, b""), 1002),
        ("a long ping", frame(0x89, &[b'x'; 126]), 1002),
        ("an end without a start", frame(0x80, b""), 1002),
        ("a message within another", [frame(0x01, b"x"), frame(0x81, b"x")].concat(), 1002),
        ("a close with an invalid code", frame(0x88, &1005_u16.to_be_bytes()), 1002),
        ("text that is not UTF-8", frame(0x81, b"\xff"), 1007),
        (
            "text that is not UTF-8, in parts",
            [frame(0x01, b"x"), frame(0x80, b"\xff")].concat(),
            1007,
        ),
        ("a reason that is not UTF-8", frame(0x88, b"\x03\xe8\xff"), 1007),
        ("a large frame", frame(0x82, &[0; 5000]), 1009),
        ("a large message", [frame(0x02, &half), frame(0x80, &half)].concat(), 1009),
    ] {
        let mut socket = socket(&harness, "").await;
        said(&mut socket).await;
        socket.get_mut().write_all(&bytes).await.unwrap();
        let mut last = None;
        let reading = async {
            while let Some(received) = socket.next().await {
                last = Some(received.unwrap_or_else(|error| panic!("{what}: {error}")));
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading)
            .await
            .expect("the connection is closed in time");
        let Some(Message::Close(Some(close))) = last else { panic!("{what}: {last:?}") };
        assert_eq!(u16::from(close.code), code, "{what}: {close}");
    }
    while harness.node.metrics().watchers.get() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_may_not_send_much() {
    let harness = Harness::start().await;
    let mut socket = socket(&harness, "").await;
    said(&mut socket).await;
    socket.send(Message::text("x".repeat(5000))).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    while harness.node.metrics().watchers.get() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_websocket_keeps_its_place_among_the_connections() {
    let harness = Harness::with(|config| config.connection_max = 1).await;
    let mut first = socket(&harness, "").await;
    said(&mut first).await;
    let refused = harness.raw(b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(refused.contains("node-full"), "{refused}");
    drop(first);
    let mut answer = refused;
    while !answer.starts_with("HTTP/1.1 200") {
        answer =
            harness.raw(b"GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    }
}
