//! HTTP tests over a real listener, with a scripted engine and an in-memory store.
//!
//! [`Harness`] is the node under test. The modules: [`alarms`] failed alarms, [`callers`] authorization,
//! [`call_policies`] the limits of the calls of objects, [`codes`] the problem codes, [`documents`] documents about
//! types, [`limits`] the limits of connections and requests, [`closing`] the end of connections, [`misfits`]
//! unsupported methods and handlers, [`unread`] clients that do not read, [`expect`] clients that wait for
//! `100 Continue`, [`pages`] pages in browsers, [`semantics`] requirements of HTTP itself, [`types`] damaged and
//! removed types.

mod alarms;
mod call_policies;
mod callers;
mod calls;
mod closing;
mod codes;
mod documents;
mod events;
mod expect;
mod limits;
mod misfits;
mod pages;
mod semantics;
mod types;
mod unread;

use std::sync::Arc;
use std::time::Duration;

use highlander_core::caller::Principal;
use highlander_core::caller::tokens::{Tokens, line};
use highlander_core::catalog::deploy::DeployOptions;
use highlander_core::error::ErrorCode;
use highlander_testing::fake_engine::FakeEngine;
use highlander_testing::memory::Memory;
use http::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::auth::Authorizer;
use super::peers::HttpPeers;
use super::server::{Server, Stage};
use super::{Api, Config};
use crate::node::{self, Node, Ports};
use crate::registry::local::{Directory, LocalSessions};
use crate::rollout;
use crate::router::{self, Router};

/// Node with one type, `counter`.
struct Harness {
    url: String,
    address: String,
    node: Arc<Node>,
    store: Arc<Memory>,
    http: reqwest::Client,
    stage: watch::Sender<Stage>,
}

/// Response with its complete body.
#[derive(Debug)]
struct Answered {
    status: u16,
    headers: http::HeaderMap,
    body: String,
}

impl Answered {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts that the response is a complete problem document with this code.
    #[track_caller]
    fn is_problem(&self, code: ErrorCode) -> Value {
        let document = self.json();
        assert_eq!(document["code"], code.as_str(), "{document}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!((self.status, &document["status"]), (code.status(), &code.status().into()));
        assert_eq!(document["type"], format!("/problems/{code}"));
        assert_eq!(document["effect"], code.effect().as_str());
        assert_eq!(document["retryable"], code.is_retryable());
        assert!(document["title"].is_string() && document["detail"].is_string(), "{document}");
        document
    }
}

impl Harness {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let harness = Self::without_types(adjust).await;
        harness.node.deploy("scripted:counter".into(), &DeployOptions::default()).await.unwrap();
        harness
    }

    /// Starts a node with principals of these names and scopes, whose tokens equal their names.
    async fn with_principals<const N: usize>(principals: [(&str, &str); N]) -> Self {
        let lines = principals.map(|(name, scopes)| {
            line(&Principal::new(name, scopes.parse().unwrap()).unwrap(), name)
        });
        let tokens = Tokens::parse(&lines.join("\n")).unwrap();
        let access = Arc::new(Authorizer::new(Some(tokens), Vec::new()));
        Self::with(|config| config.access = access).await
    }

    async fn without_types(adjust: impl FnOnce(&mut Config)) -> Self {
        let store = Arc::new(Memory::new());
        let ports = Ports {
            sessions: Arc::new(LocalSessions::new(Directory::new(), "node", "127.0.0.1:1")),
            store: Arc::clone(&store) as Arc<_>,
            engine: Arc::new(FakeEngine::new().with_state_max(1000)),
        };
        let config = node::Config {
            mailbox_len: 4,
            fault_max: 100,
            resident_max: 16,
            activation_rate: Some(1000),
            ..node::Config::default()
        };
        let peers = Arc::new(HttpPeers::new());
        let router = Router::start(ports, &config, peers, &router::Config::default());
        let node = Arc::clone(router.node());
        node.joined().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut config = Config::new(address.clone());
        adjust(&mut config);
        let (stage, staged) = watch::channel(Stage::Open);
        tokio::spawn(rollout::run(Arc::downgrade(&router)));
        let server = Server::new(Api::new(router, config), listener);
        tokio::spawn(server.run(staged, Duration::from_secs(1)));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url: format!("http://{address}"), address, node, store, http, stage }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    async fn get(&self, path: &str) -> Answered {
        send(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: &str) -> Answered {
        send(self.request(Method::POST, path).body(body.to_owned())).await
    }

    async fn with_headers(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answered {
        let request = self.request(method, path);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        send(request).await
    }

    /// Sends bytes unchanged, and reads until the connection is closed.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        rest(&mut stream).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }
}

async fn send(request: reqwest::RequestBuilder) -> Answered {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answered { status, headers, body: response.text().await.unwrap() }
}

/// Reads until the connection is closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let reading = stream.read_to_end(&mut text);
    // A reset connection is closed too.
    let _ = tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .expect("the connection is closed in time");
    String::from_utf8(text).unwrap()
}
