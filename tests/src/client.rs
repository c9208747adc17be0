//! An HTTP client of a node, which checks responses as it reads them.
//!
//! It never retries: each request gets exactly one response, or the test fails.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::artifacts;
use crate::reply::Reply;
use crate::wait;

/// Upper bound for a response; only a hang takes longer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A client of one node. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// A request under construction.
#[derive(Debug)]
pub struct Request(reqwest::RequestBuilder);

impl Client {
    /// Creates a client of the node at `url`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().unwrap();
        Self { http, url: url.to_owned(), token: None }
    }

    /// Sends this token, if any, with every request.
    #[must_use]
    pub fn with_token(self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self }
    }

    /// Returns a client of another node that shares connections with this one.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    /// Returns the URL of the node.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Builds a request for a path.
    #[must_use]
    pub fn request(&self, method: Method, path: &str) -> Request {
        let request = self.http.request(method, format!("{}{path}", self.url));
        Request(self.token.iter().fold(request, reqwest::RequestBuilder::bearer_auth))
    }

    /// Builds a GET request.
    #[must_use]
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// Builds a call of a handler; `object` is `type/key`.
    #[must_use]
    pub fn call(&self, object: &str, handler: &str) -> Request {
        self.request(Method::POST, &format!("/v1/objects/{object}/{handler}"))
    }

    /// Builds a request for the state of an object.
    #[must_use]
    pub fn object(&self, method: Method, object: &str) -> Request {
        self.request(method, &format!("/v1/objects/{object}"))
    }

    /// Returns the state of an object.
    pub async fn state(&self, object: &str) -> Reply {
        self.object(Method::GET, object).send().await.done()
    }

    /// Calls `increment` and returns the new value.
    pub async fn increment(&self, object: &str) -> u64 {
        let reply = self.call(object, "increment").send().await.done();
        reply.json().as_u64().expect("a number")
    }

    /// Returns the current value of a counter.
    pub async fn value(&self, object: &str) -> u64 {
        let reply = self.call(object, "value").send().await.done();
        reply.json().as_u64().expect("a number")
    }

    /// Returns the tier of an object: `cold`, `warm` or `resident`.
    pub async fn tier(&self, object: &str) -> String {
        let owner = self.get(&format!("/v1/objects/{object}/owner")).send().await.done().json();
        owner["tier"].as_str().expect("a tier").to_owned()
    }

    /// Keeps an object of the type `misbehaving` busy until its CPU limit is reached. The object is busy when this
    /// returns. The returned task yields the response to the call, if any.
    pub async fn keep_busy(&self, object: &str) -> JoinHandle<reqwest::Result<Reply>> {
        let spinning = tokio::spawn(self.call(object, "spin_query").try_send());
        // The busy call has begun once another call cannot get its turn.
        wait::until("the object is busy", async || {
            let other = self.call(object, "value").header("highlander-timeout", "200ms");
            other.send().await.status == 503
        })
        .await;
        spinning
    }

    /// Unloads an object from memory.
    pub async fn deactivate(&self, object: &str) {
        let _ = self.call(object, "deactivate").send().await.done();
    }

    /// Uploads bytes as a component.
    pub async fn upload(&self, wasm: impl Into<Bytes>) -> Reply {
        let request = self.request(Method::POST, "/v1/types");
        request.header("content-type", "application/wasm").body(wasm).send().await
    }

    /// Uploads bytes as a component with these options, a query string such as `wait=false`.
    pub async fn upload_on(&self, terms: &str, wasm: impl Into<Bytes>) -> Reply {
        self.request(Method::POST, &format!("/v1/types?{terms}")).body(wasm).send().await
    }

    /// Deploys a component, which the node must accept, and returns its revision.
    ///
    /// Repeats the upload while the machine is too busy to compile the component, as it may be with other tests.
    pub async fn deploy(&self, guest: &str) -> u64 {
        let wasm = Bytes::from(artifacts::guest_bytes(guest));
        let mut last = None;
        wait::until("the machine has time to compile", async || {
            let reply = self.upload(wasm.clone()).await;
            last.insert(reply).status != 429
        })
        .await;
        let reply = last.expect("an upload was answered");
        assert!(matches!(reply.status, 200 | 201), "{guest} was not deployed: {}", reply.text());
        reply.json()["revision"].as_u64().expect("a revision")
    }

    /// Returns the value of a metric, by its name and labels as `/metrics` prints them.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").send().await.done().text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no metric {name}")).parse().unwrap()
    }

    /// Whether the node accepts calls.
    pub async fn is_ready(&self) -> bool {
        let reply = self.get("/readyz").try_send().await;
        reply.is_ok_and(|reply| reply.status == 200)
    }
}

impl Request {
    /// Adds a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// Sets another time limit for the response.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }

    /// Sets the idempotency key.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Sets a JSON body.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "callers write json!(…)")]
    pub fn json(self, body: Value) -> Self {
        Self(self.0.json(&body))
    }

    /// Sets the body.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self(self.0.body(body.into()))
    }

    /// Sends the request and waits for the response.
    ///
    /// # Panics
    /// If there is no response.
    pub async fn send(self) -> Reply {
        self.try_send().await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Sends the request and waits for the response head.
    ///
    /// # Errors
    /// If there is none.
    pub async fn begin(self) -> reqwest::Result<reqwest::Response> {
        self.0.send().await
    }

    /// Sends the request and waits for the response, if any.
    ///
    /// # Errors
    /// If there is none.
    pub async fn try_send(self) -> reqwest::Result<Reply> {
        let response = self.0.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply { status, headers, body: response.bytes().await? })
    }
}
