//! Nodes that communicate over loopback, and peers that misbehave.

mod callers;
mod listings;
mod watching;

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use highlander_core::error::ErrorCode;
use highlander_core::id::NodeId;
use highlander_core::registry::members::{NodeStatus, PROTOCOL};
use highlander_system::clock;
use http::{HeaderMap, Method, Response};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;
use crate::http::auth::Authorizer;
use crate::http::server::{Server, Stage};
use crate::http::{Api, Config};
use crate::router::testing::{Cluster, Place, call, counter, keyed};

/// Longer than open connections need to close on a busy machine.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// Node with a listener.
struct Listening {
    place: Place,
    url: String,
    http: reqwest::Client,
    stage: watch::Sender<Stage>,
    serving: tokio::task::JoinHandle<()>,
}

impl Listening {
    async fn start(cluster: &Cluster, name: &str) -> Self {
        Self::start_with(cluster, name, Authorizer::open(), None).await
    }

    /// Starts a node with this access policy. It shows `token` to other nodes.
    async fn start_with(
        cluster: &Cluster,
        name: &str,
        access: Authorizer,
        token: Option<HeaderValue>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let peers = HttpPeers::new().with_token(token);
        let place = cluster.join_at(name, &address, Arc::new(peers)).await;
        let config = Config { access: Arc::new(access), ..Config::new(address.clone()) };
        let api = Api::new(Arc::clone(&place.router), config);
        let (stage, staged) = watch::channel(Stage::Open);
        let server = Server::new(api, listener);
        let serving = tokio::spawn(server.run(staged, SHUTDOWN_LIMIT));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { place, url: format!("http://{address}"), http, stage, serving }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    async fn post(&self, id: &ObjectId, handler: &str, argument: &str) -> Answered {
        let path = format!("/v1/objects/{id}/{handler}");
        send(self.request(Method::POST, &path).body(argument.to_owned())).await
    }
}

struct Answered {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answered {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

async fn send(request: reqwest::RequestBuilder) -> Answered {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answered { status, headers, body: response.text().await.unwrap() }
}

async fn cluster(names: &[&str]) -> (Cluster, Vec<Listening>) {
    let cluster = Cluster::new();
    let mut nodes = Vec::new();
    for name in names {
        nodes.push(Listening::start(&cluster, name).await);
    }
    cluster.deploy(&nodes[0].place).await;
    (cluster, nodes)
}

#[tokio::test]
async fn an_object_is_used_through_any_node() {
    let (cluster, nodes) = cluster(&["a", "b", "c"]).await;
    let id = cluster.counter_at("b", "x");
    for (n, node) in nodes.iter().enumerate() {
        let answer = node.post(&id, "add", "1").await;
        let version = (n + 1).to_string();
        assert_eq!((answer.status, &answer.body), (200, &version));
        assert_eq!(answer.header("highlander-version"), Some(version.as_str()));
        assert_eq!(answer.header("highlander-node"), Some(["a", "b", "c"][n]));
        let owner = (n != 1).then_some("b");
        assert_eq!(answer.header("highlander-owner"), owner);
    }
    assert_eq!(nodes[1].place.node.active_count(), 1);
    assert_eq!(nodes[0].place.node.metrics().forwards_done.get(), 1);
}

#[tokio::test]
async fn terms_and_answers_come_through_whole() {
    let (cluster, nodes) = cluster(&["a", "b"]).await;
    let id = cluster.counter_at("b", "x \u{e4}/%2F");
    let encoded =
        percent_encoding::utf8_percent_encode(id.key(), percent_encoding::NON_ALPHANUMERIC);
    let path = format!("/v1/objects/counter/{encoded}");
    let request = |node: usize, method: Method, end: &str| {
        nodes[node].request(method, &format!("{path}{end}"))
    };
    // The same key identifies the same call through either node.
    for (node, replayed) in [(0, None), (1, Some("true")), (0, Some("true"))] {
        let call = request(node, Method::POST, "/add").header("idempotency-key", "k");
        let answer = send(call.body(" 5 ")).await;
        assert_eq!((answer.body.as_str(), answer.header("etag")), ("5", Some("\"1-r1\"")));
        assert_eq!(answer.header("idempotency-replayed"), replayed);
    }
    let reused = request(0, Method::POST, "/add").header("idempotency-key", "k").body("6");
    assert_eq!(send(reused).await.json()["code"], "idempotency-key-reused");
    let put = |name: &'static str, tag: &'static str| {
        send(request(0, Method::PUT, "").header(name, tag).body(r#"{"value":7}"#))
    };
    assert_eq!(put("if-match", "\"9\"").await.json()["code"], "version-mismatch");
    assert_eq!(put("if-none-match", "*").await.json()["code"], "version-mismatch");
    assert_eq!(put("if-match", "\"1\"").await.header("etag"), Some("\"2-r1\""));
    let get = |tag: &str| send(request(0, Method::GET, "").header("if-none-match", tag));
    let state = get("\"2\"").await;
    assert_eq!((state.status, state.json()), (200, json!({ "value": 7 })));
    assert_eq!(get(state.header("etag").unwrap()).await.status, 304);
    let rejected = send(request(0, Method::POST, "/reject")).await;
    assert_eq!(rejected.status, 422);
    let words = r#"{"code":"scripted","message":"the script says no","detail":{"left": 18446744073709551616}}"#;
    assert!(rejected.body.contains(words), "{}", rejected.body);
    assert_eq!(rejected.header("highlander-owner"), Some("b"));
    assert_eq!(send(request(0, Method::POST, "/nothing")).await.json()["code"], "unknown-handler");
    let strict = request(0, Method::POST, "/value").header("highlander-consistency", "strict");
    assert_eq!(send(strict).await.body, "7");
    let late = request(0, Method::POST, "/sleep").header("highlander-timeout", "50ms").body("500");
    assert!([503, 504].contains(&send(late).await.status));
    assert_eq!(send(request(0, Method::DELETE, "")).await.status, 200);
    assert_eq!(send(request(0, Method::DELETE, "")).await.json()["code"], "object-not-found");
    assert_eq!(nodes[0].place.node.active_count(), 0, "another node executed all of it");
}

#[tokio::test]
async fn a_call_that_has_made_its_hops_is_told_who_owns_the_object() {
    let (cluster, nodes) = cluster(&["a", "b"]).await;
    let id = cluster.counter_at("b", "x");
    nodes[1].post(&id, "add", "1").await;
    let path = format!("/v1/objects/{id}/add");
    let call = |hops: &'static str| {
        send(nodes[0].request(Method::POST, &path).header("highlander-hops", hops).body("1"))
    };
    let answer = call("2").await;
    assert_eq!((answer.status, answer.header("highlander-owner")), (503, Some("b")));
    assert_eq!(answer.json()["code"], "not-owner");
    assert_eq!(call("1").await.body, "2", "one more hop is allowed");
    assert_eq!(call("many").await.json()["code"], "malformed-request");
}

#[tokio::test]
async fn an_object_of_a_node_that_stops_answers_elsewhere() {
    let (cluster, mut nodes) = cluster(&["a", "b"]).await;
    let id = cluster.counter_at("b", "x");
    nodes[0].post(&id, "add", "1").await;
    let stopped = nodes.remove(1);
    drop(stopped.stage);
    stopped.serving.await.unwrap();
    let mut waiting = pin!(nodes[0].post(&id, "add", "1"));
    let paused = async {
        while nodes[0].place.node.metrics().route_pauses.get() < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let answer = tokio::select! {
        // On a busy machine, the object may have become idle before its node stopped.
        answer = &mut waiting => answer,
        () = paused => {
            stopped.place.session.session.end();
            waiting.await
        }
    };
    assert_eq!((answer.status, answer.body.as_str()), (200, "2"));
}

#[tokio::test]
async fn operators_may_ask_any_node() {
    let (cluster, nodes) = cluster(&["node-a", "node-b"]).await;
    let id = cluster.counter_at("node-b", "x");
    nodes[0].post(&id, "add", "1").await;
    let get = |path: String| send(nodes[0].request(Method::GET, &path));
    let post = |path: String| send(nodes[0].request(Method::POST, &path));
    let found = get(format!("/v1/objects/{id}/owner")).await.json();
    assert_eq!((&found["node"], &found["tier"]), (&json!("node-b"), &json!("resident")));
    let listed = get("/v1/nodes".to_owned()).await.json();
    let address = |n: usize| nodes[n].url.strip_prefix("http://").unwrap();
    let expected = json!([
        { "id": "node-a", "address": address(0), "status": "ready", "active_objects": 0 },
        { "id": "node-b", "address": address(1), "status": "ready", "active_objects": 1 },
    ]);
    assert_eq!(listed["nodes"], expected);
    let gone = post(format!("/v1/objects/{id}/deactivate")).await.json();
    assert_eq!(gone, json!({ "object": id.as_str(), "was_active": true }));
    nodes[0].post(&id, "add", "1").await;
    let drained = post("/v1/nodes/node-b/drain".to_owned()).await;
    assert_eq!((drained.status, drained.json()["active_objects"].clone()), (200, json!(0)));
    assert!(nodes[1].place.node.is_draining());
    // The drained node still responds, by forwarding to the other one.
    assert_eq!(nodes[1].post(&id, "add", "1").await.body, "3");
    assert_eq!(post("/v1/nodes/node/drain".to_owned()).await.status, 400);
    assert_eq!(post("/v1/nodes/nobody/drain".to_owned()).await.status, 404);
    assert_eq!(get("/v1/nodes/node-b/drain".to_owned()).await.status, 405);
}

/// Starts a peer that applies `behaviour` to each connection.
async fn peer<F>(behaviour: impl Fn(TcpStream) -> F + Send + 'static) -> Member
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(behaviour(stream));
        }
    });
    member(&address)
}

/// Returns a connection whose greeting was answered.
async fn greeted(stream: TcpStream) -> h2::server::Connection<TcpStream, Bytes> {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let (_greeting, mut respond) = connection.accept().await.unwrap().unwrap();
    respond.send_response(Response::new(()), true).unwrap();
    connection
}

fn member(address: &str) -> Member {
    let node = NodeId::new("peer");
    Member { node, address: address.into(), protocol: PROTOCOL, status: NodeStatus::Ready }
}

/// Returns the outcome of a call to a peer.
async fn outcome(to: &Member) -> &'static str {
    outcome_within(to, Duration::from_secs(10)).await
}

async fn outcome_within(to: &Member, time: Duration) -> &'static str {
    let call = Call { deadline: clock::now() + time, ..call("add", &json!(1)) };
    let peers = HttpPeers::new();
    match peers.call(to, &counter("a"), &keyed("k", call), Context::default().forwarded()).await {
        Ok(RoutedAnswer { answer: Ok(_), .. }) => "done",
        Ok(RoutedAnswer { answer: Err(error), .. }) => error.code.as_str(),
        Err(Failure::NotSent(_)) => "not sent",
        Err(Failure::Interrupted(_)) => "interrupted",
    }
}

/// Sends the same response to every request on a connection.
async fn answer_with(stream: TcpStream, response: Response<()>, body: Vec<u8>) {
    let mut connection = greeted(stream).await;
    while let Some(Ok((_request, mut respond))) = connection.accept().await {
        let mut sending = respond.send_response(response.clone(), false).unwrap();
        let _ = sending.send_data(body.clone().into(), true);
    }
}

#[tokio::test]
async fn what_was_not_sent_and_what_may_have_been_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(outcome(&member(&closed.to_string())).await, "not sent");
    for address in ["", "nowhere", "user@127.0.0.1:80"] {
        assert_eq!(outcome(&member(address)).await, "not sent", "{address:?}");
    }
    // A proxy whose node is gone, a server of another protocol, and a frozen node.
    let closing = peer(async |stream| drop(stream));
    assert_eq!(outcome(&closing.await).await, "not sent");
    let babbling = peer(async |mut stream| {
        let _ = stream.write_all(b"220 welcome\r\n").await;
        std::future::pending::<()>().await;
    });
    assert_eq!(outcome(&babbling.await).await, "not sent");
    let frozen = peer(async |stream| {
        let _stream = stream;
        std::future::pending::<()>().await;
    });
    assert_eq!(outcome(&frozen.await).await, "not sent");
    let refusing = peer(async |stream| {
        let mut connection = greeted(stream).await;
        while let Some(Ok((_request, mut respond))) = connection.accept().await {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
        }
    });
    assert_eq!(outcome(&refusing.await).await, "not sent");
    let leaving = peer(async |stream| {
        let mut connection = greeted(stream).await;
        connection.abrupt_shutdown(h2::Reason::NO_ERROR);
        while connection.accept().await.is_some() {}
        // The socket stays open, so that the `GOAWAY` frame is read before the end of the connection.
        std::future::pending::<()>().await;
    });
    assert_eq!(outcome(&leaving.await).await, "not sent");
    let resetting = peer(async |stream| {
        let mut connection = greeted(stream).await;
        while let Some(Ok((_request, mut respond))) = connection.accept().await {
            respond.send_reset(h2::Reason::INTERNAL_ERROR);
        }
    });
    assert_eq!(outcome(&resetting.await).await, "interrupted");
    let breaking = peer(async |stream| {
        let mut connection = greeted(stream).await;
        let _request = connection.accept().await;
    });
    assert_eq!(outcome(&breaking.await).await, "interrupted");
    let silent = peer(async |stream| {
        let mut connection = greeted(stream).await;
        let mut held = Vec::new();
        while let Some(request) = connection.accept().await {
            held.push(request);
        }
    });
    assert_eq!(outcome_within(&silent.await, Duration::from_millis(100)).await, "interrupted");
}

#[tokio::test]
async fn answers_that_make_no_sense_are_no_answers() {
    let ok = || Response::builder().header("highlander-version", 1).header("highlander-epoch", 1);
    let whole = move || ok().header("highlander-revision", 1).body(()).unwrap();
    let good = peer(move |stream| answer_with(stream, whole(), b"1".to_vec()));
    assert_eq!(outcome(&good.await).await, "done");
    let huge = peer(move |stream| answer_with(stream, whole(), vec![b'1'; ANSWER_BYTES_MAX + 1]));
    assert_eq!(outcome(&huge.await).await, "interrupted");
    let partial = move || ok().body(()).unwrap();
    let partial = peer(move |stream| answer_with(stream, partial(), b"1".to_vec()));
    assert_eq!(outcome(&partial.await).await, "interrupted");
    let html = || Response::builder().status(502).body(()).unwrap();
    let html = peer(move |stream| answer_with(stream, html(), b"<html>".to_vec()));
    assert_eq!(outcome(&html.await).await, "interrupted");
}

#[tokio::test]
async fn a_connection_is_used_again_and_made_anew_when_it_broke() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let to = peer(move |stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut connection = greeted(stream).await;
            for _ in 0..3 {
                let Some(Ok((_request, mut respond))) = connection.accept().await else { return };
                let response = Response::builder()
                    .header("highlander-version", 1)
                    .header("highlander-epoch", 1)
                    .header("highlander-revision", 1);
                let _ = respond.send_response(response.body(()).unwrap(), true);
            }
            connection.graceful_shutdown();
            while connection.accept().await.is_some() {}
        }
    });
    let to = to.await;
    let peers = HttpPeers::new();
    // A call that HTTP cannot express is not sent.
    let reserved = call("owner", &Value::Null);
    let heard = peers.call(&to, &counter("a"), &reserved, Context::default()).await.unwrap();
    assert_eq!(heard.answer.unwrap_err().code, ErrorCode::UnknownHandler);
    for n in 0..6 {
        let call = call("value", &Value::Null);
        let heard = peers.call(&to, &counter("a"), &call, Context::default()).await;
        assert!(heard.is_ok_and(|heard| heard.answer.is_ok()), "{n}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 2);
}
