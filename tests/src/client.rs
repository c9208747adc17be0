//! HTTP as a user speaks it, with answers that are checked as they are read.
//!
//! Nothing is tried a second time: what was asked is what was answered, or the test ends.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::artifacts;
use crate::problem;
use crate::wait;

/// Longer than any answer takes unless something hangs.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A client of one node. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// A request that is being put together.
#[derive(Debug)]
pub struct Request(reqwest::RequestBuilder);

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Client {
    /// A client of the node at `url`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().unwrap();
        Self { http, url: url.to_owned(), token: None }
    }

    /// The same with a token that every request shows, if there is one.
    #[must_use]
    pub fn with_token(self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self }
    }

    /// A client of another node that shares connections with this one.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    /// Where it calls.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request for a path.
    #[must_use]
    pub fn request(&self, method: Method, path: &str) -> Request {
        let request = self.http.request(method, format!("{}{path}", self.url));
        Request(self.token.iter().fold(request, reqwest::RequestBuilder::bearer_auth))
    }

    /// A request that reads.
    #[must_use]
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// A call of a handler; `object` is `type/key`.
    #[must_use]
    pub fn call(&self, object: &str, handler: &str) -> Request {
        self.request(Method::POST, &format!("/v1/objects/{object}/{handler}"))
    }

    /// A request about the state of an object as a whole.
    #[must_use]
    pub fn object(&self, method: Method, object: &str) -> Request {
        self.request(method, &format!("/v1/objects/{object}"))
    }

    /// The state of an object.
    pub async fn state(&self, object: &str) -> Reply {
        self.object(Method::GET, object).send().await.done()
    }

    /// Calls `increment`, and gives the new number.
    pub async fn increment(&self, object: &str) -> u64 {
        let reply = self.call(object, "increment").send().await.done();
        reply.json().as_u64().expect("a number")
    }

    /// The present number of a counter.
    pub async fn value(&self, object: &str) -> u64 {
        let reply = self.call(object, "value").send().await.done();
        reply.json().as_u64().expect("a number")
    }

    /// Where an object's bytes are: `cold`, `warm` or `resident`.
    pub async fn tier(&self, object: &str) -> String {
        let owner = self.get(&format!("/v1/objects/{object}/owner")).send().await.done().json();
        owner["tier"].as_str().expect("a tier").to_owned()
    }

    /// Keeps an object of the type `misbehaving` busy until its processor time is used up. It is busy when this
    /// returns; what is returned gives the call's answer, if it gets one.
    pub async fn keep_busy(&self, object: &str) -> JoinHandle<reqwest::Result<Reply>> {
        let spinning = tokio::spawn(self.call(object, "spin_query").try_send());
        // That another call does not get its turn shows that this one has begun.
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

    /// Uploads bytes as a component on these terms, which are a query such as `wait=false`.
    pub async fn upload_on(&self, terms: &str, wasm: impl Into<Bytes>) -> Reply {
        self.request(Method::POST, &format!("/v1/types?{terms}")).body(wasm).send().await
    }

    /// Deploys a component that is taken, and gives its revision.
    pub async fn deploy(&self, guest: &str) -> u64 {
        let reply = self.upload(artifacts::guest_bytes(guest)).await;
        assert!(matches!(reply.status, 200 | 201), "{guest} was refused: {}", reply.text());
        reply.json()["revision"].as_u64().expect("a revision")
    }

    /// A number among the node's metrics, by its name and labels as they are printed.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").send().await.done().text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no metric {name}")).parse().unwrap()
    }

    /// Whether the node takes calls.
    pub async fn is_ready(&self) -> bool {
        let reply = self.get("/readyz").try_send().await;
        reply.is_ok_and(|reply| reply.status == 200)
    }
}

impl Request {
    /// The same with a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// The same with another bound on how long the answer may take.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }

    /// The same with an idempotency key.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// The same with a JSON body.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "callers write json!(…)")]
    pub fn json(self, body: Value) -> Self {
        Self(self.0.json(&body))
    }

    /// The same with these bytes as its body.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self(self.0.body(body.into()))
    }

    /// Sends it, and waits for the answer.
    ///
    /// # Panics
    /// Where there is no answer.
    pub async fn send(self) -> Reply {
        self.try_send().await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Sends it, and waits for the head of the answer.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn begin(self) -> reqwest::Result<reqwest::Response> {
        self.0.send().await
    }

    /// Sends it, and waits for the answer, if there is one.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn try_send(self) -> reqwest::Result<Reply> {
        let response = self.0.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply { status, headers, body: response.bytes().await? })
    }
}

impl Reply {
    /// The same, if it is no error.
    #[track_caller]
    #[must_use]
    pub fn done(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text());
        self
    }

    /// The problem document, if it is the one of this code.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "most tests want nothing but the check")]
    pub fn problem(&self, code: &str) -> Value {
        problem::check(self, code)
    }

    /// A header that is there.
    #[track_caller]
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no header {name}: {self:?}"));
        value.to_str().unwrap()
    }

    /// The node that owns the object: the one that answered, or the one that it had the answer from.
    #[track_caller]
    #[must_use]
    pub fn owner(&self) -> &str {
        let name = if self.headers.contains_key("highlander-owner") {
            "highlander-owner"
        } else {
            "highlander-node"
        };
        self.header(name)
    }

    /// What the answer says of the object: its body and its version.
    #[track_caller]
    #[must_use]
    pub fn content(&self) -> (&[u8], u64) {
        (&self.body, self.version())
    }

    /// Whether this is the kept answer of an earlier call.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
    }

    /// The object's version, which the entity tag begins with where there is one; the revision follows.
    #[track_caller]
    #[must_use]
    pub fn version(&self) -> u64 {
        let version = self.number("highlander-version");
        if let Some(tag) = self.headers.get("etag") {
            let start = format!("\"{version}-r{}", self.revision());
            assert!(tag.to_str().unwrap().starts_with(&start), "{tag:?} of version {version}");
        }
        version
    }

    /// The epoch of that version.
    #[track_caller]
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.number("highlander-epoch")
    }

    /// The revision that answered, which is one.
    #[track_caller]
    #[must_use]
    pub fn revision(&self) -> u64 {
        assert_eq!(self.headers.get_all("highlander-revision").iter().count(), 1, "{self:?}");
        self.number("highlander-revision")
    }

    /// The body as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    fn number(&self, name: &str) -> u64 {
        self.header(name).parse().expect("a number")
    }
}
