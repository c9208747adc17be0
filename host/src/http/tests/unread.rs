//! Clients that do not read their responses, and clients that vanish without closing the connection. The timeouts
//! are tested as a table in `limit`.

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::{SockFilter, SockRef};
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::*;

const KIB: usize = 1024;
/// Longer than any test takes.
const LONG: Duration = Duration::from_mins(10);

/// Starts a node that serves a file of this size.
async fn with_file(bytes: usize, adjust: impl FnOnce(&mut Config)) -> (Harness, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("large.json"), vec![b' '; bytes]).unwrap();
    let web = folder.path().to_owned();
    let harness = Harness::with(|config| {
        config.web = Some(web);
        adjust(config);
    });
    (harness.await, folder)
}

/// HTTP/2 client that answers pings but never opens the window for responses.
struct Unwilling {
    sender: SendRequest<Empty<Bytes>>,
    ended: JoinHandle<hyper::Result<()>>,
    url: String,
    unread: Vec<hyper::body::Incoming>,
}

impl Unwilling {
    async fn connect(harness: &Harness) -> Self {
        let stream = TokioIo::new(harness.connect().await);
        let mut builder = http2::Builder::new(TokioExecutor::new());
        let (sender, connection) =
            builder.initial_stream_window_size(0).handshake(stream).await.unwrap();
        let (ended, url) = (tokio::spawn(connection), harness.url.clone());
        Self { sender, ended, url, unread: Vec::new() }
    }

    /// Returns the status of a response and leaves the body unread.
    async fn ask(&mut self, method: Method, path: &str) -> u16 {
        let request = http::Request::builder().method(method).uri(self.url.clone() + path);
        let answering = self.sender.send_request(request.body(Empty::new()).unwrap());
        let answer = tokio::time::timeout(Duration::from_secs(20), answering).await;
        let (parts, body) = answer.expect("an answer").unwrap().into_parts();
        self.unread.push(body);
        parts.status.as_u16()
    }
}

async fn closes(closing: impl Future) {
    tokio::time::timeout(Duration::from_secs(20), closing)
        .await
        .expect("the connection is closed in time");
}

#[tokio::test]
async fn an_http2_client_that_gives_no_room_is_cut_off_though_it_answers_pings() {
    let adjust = |config: &mut Config| config.write_timeout = Duration::from_millis(500);
    let (harness, _folder) = with_file(40 * KIB, adjust).await;
    let mut client = Unwilling::connect(&harness).await;
    assert_eq!(client.ask(Method::GET, "/web/large.json").await, 200);
    closes(client.ended).await;
    let mut client = Unwilling::connect(&harness).await;
    assert_eq!(client.ask(Method::GET, "/v1/objects/counter/a/events").await, 200);
    closes(client.ended).await;
}

#[tokio::test]
async fn a_connection_holds_so_many_unsent_bytes() {
    let adjust = |config: &mut Config| {
        config.write_timeout = LONG;
        config.unsent_connection_max = 64 * KIB;
    };
    let (harness, _folder) = with_file(40 * KIB, adjust).await;
    let mut client = Unwilling::connect(&harness).await;
    let file = "/web/large.json";
    assert_eq!(client.ask(Method::GET, file).await, 200);
    assert_eq!(client.ask(Method::GET, file).await, ErrorCode::NodeFull.status());
    assert_eq!(client.ask(Method::GET, "/healthz").await, 200, "a small response still fits");
    let mut other = Unwilling::connect(&harness).await;
    assert_eq!(other.ask(Method::GET, file).await, 200, "another connection has its own limit");
    drop(client);
    let answer = harness.get(file).await;
    assert_eq!((answer.status, answer.body.len()), (200, 40 * KIB));
}

#[tokio::test]
async fn what_was_done_is_not_called_undone_because_its_answer_is_not_read() {
    let adjust = |config: &mut Config| {
        config.write_timeout = LONG;
        config.unsent_connection_max = 8;
    };
    let (harness, _folder) = with_file(8, adjust).await;
    let mut client = Unwilling::connect(&harness).await;
    let increment = "/v1/objects/counter/a/increment";
    for _ in 0..8 {
        assert_eq!(client.ask(Method::POST, increment).await, 200);
    }
    // There is no room at all, so the call is not executed.
    assert_eq!(client.ask(Method::POST, increment).await, ErrorCode::NodeFull.status());
    assert_eq!(harness.post("/v1/objects/counter/a/value", "").await.body, "8");
    let mut client = Unwilling::connect(&harness).await;
    for n in 0..7 {
        assert_eq!(
            client.ask(Method::POST, &format!("/v1/objects/counter/c-{n}/increment")).await,
            200
        );
    }
    assert_eq!(harness.post("/v1/objects/counter/b/add", "1000").await.status, 200);
    // There is room for one byte, but the response has four.
    let unread = "/v1/objects/counter/b/increment";
    assert_eq!(client.ask(Method::POST, unread).await, ErrorCode::OutcomeUnknown.status());
    assert_eq!(harness.post("/v1/objects/counter/b/value", "").await.body, "1001");
}

#[tokio::test]
async fn a_node_holds_so_many_unsent_bytes_and_goes_on() {
    let adjust = |config: &mut Config| {
        config.write_timeout = LONG;
        config.unsent_max = 100 * KIB;
    };
    let (harness, _folder) = with_file(90 * KIB, adjust).await;
    let mut client = Unwilling::connect(&harness).await;
    assert_eq!(client.ask(Method::GET, "/web/large.json").await, 200);
    harness.get("/web/large.json").await.is_problem(ErrorCode::NodeFull);
    assert_eq!(harness.post("/v1/objects/counter/a/increment", "").await.status, 200);
    // With so little room left, a client that does not read is disconnected sooner.
    closes(client.ended).await;
    closes(async { while harness.get("/web/large.json").await.status != 200 {} }).await;
}

#[tokio::test]
async fn an_http1_client_that_does_not_read_is_cut_off() {
    let adjust = |config: &mut Config| {
        config.write_timeout = Duration::from_secs(1);
        config.connection_max = 1;
    };
    let bytes = 8 << 20;
    let (harness, _folder) = with_file(bytes, adjust).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(harness.address.parse().unwrap()).await.unwrap();
    let request = b"GET /web/large.json HTTP/1.1\r\nhost: h\r\n\r\n";
    stream.write_all(request).await.unwrap();
    // The connection's permit is free again once the connection is dropped.
    let health = b"GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    closes(async { while !harness.raw(health).await.starts_with("HTTP/1.1 200") {} }).await;
    assert!(rest(&mut stream).await.len() < bytes);
}

/// Drops everything that is sent to this client from now on, so that it acknowledges nothing.
fn vanish(stream: &TcpStream) {
    const RETURN: u16 = 0x06;
    SockRef::from(stream).attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)]).unwrap();
}

async fn watchers_are_gone(harness: &Harness) {
    closes(async {
        while harness.node.metrics().watchers.get() > 0 {
            assert_eq!(harness.post("/v1/objects/counter/a/add", "1").await.status, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_vanished_without_a_word_keeps_no_stream() {
    let harness = Harness::with(|config| config.write_timeout = Duration::from_secs(1)).await;
    let mut stream = harness.connect().await;
    let head = b"GET /v1/objects/counter/a/events HTTP/1.1\r\nhost: h\r\n\r\n";
    stream.write_all(head).await.unwrap();
    stream.read_exact(&mut [0; 12]).await.unwrap();
    assert_eq!(harness.node.metrics().watchers.get(), 1);
    vanish(&stream);
    watchers_are_gone(&harness).await;
}

#[tokio::test]
async fn a_client_that_vanished_without_a_word_keeps_no_busy_websocket() {
    let harness = Harness::with(|config| config.write_timeout = Duration::from_secs(1)).await;
    let url = format!("ws://{}/v1/objects/counter/a/events", harness.address);
    let (request, stream) = (url.into_client_request().unwrap(), harness.connect().await);
    let (socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    assert_eq!(harness.node.metrics().watchers.get(), 1);
    vanish(socket.get_ref());
    watchers_are_gone(&harness).await;
}
