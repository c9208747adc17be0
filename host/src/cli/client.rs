//! Talks to a node: one request, one answer, and what it means when there is none.
//!
//! A request that was sent and not answered may have been executed. Only where no connection came about, or the
//! request only reads, nothing was.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use super::Global;
use super::failure::{Exit, Failure};
use crate::config::secret;
use crate::http::problem::{CONTENT, Document};
use crate::id::ObjectId;
use crate::limits::CALL_TIMEOUT_MAX;

/// What is written as itself in a path or a query; every other byte becomes `%XX`.
const URL_SAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a stream of events may be silent: it is kept alive every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(40);
/// How much longer than the call the answer may take.
const ANSWER_MARGIN: Duration = Duration::from_secs(10);

/// One request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// What to do where it was sent and not answered.
    when_unanswered: Option<String>,
}

impl Request {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self { method, path: path.into(), headers, body, when_unanswered: None }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// The same with a body of this media type.
    pub(super) fn with_body(mut self, media_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        Self { body: body.into(), ..self }
    }

    /// The same with what to do where it is not answered, and may have been executed.
    pub(super) fn when_unanswered(self, hint: impl Into<String>) -> Self {
        Self { when_unanswered: Some(hint.into()), ..self }
    }

    /// The same with one header more.
    pub(super) fn with_header(mut self, name: &'static str, value: &str) -> Result<Self, Failure> {
        let value = HeaderValue::from_str(value).map_err(|_| {
            Failure::usage(format!("{value:?} holds characters that no header may"))
        })?;
        self.headers.insert(name, value);
        Ok(self)
    }
}

/// An answer that is no error.
#[derive(Debug)]
pub(super) struct Answer {
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// The version that the answer speaks of.
    pub(super) fn version(&self) -> Option<&str> {
        self.headers.get("highlander-version")?.to_str().ok()
    }

    /// Whether it is the kept answer of an earlier call.
    pub(super) fn is_replayed(&self) -> bool {
        self.headers.contains_key("idempotency-replayed")
    }

    /// The answer as a `T`.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::environment(format!("the node's answer cannot be understood: {error}"))
                .with_hint(
                    "node and command are of different versions, or it is no Highlander node",
                )
        })
    }
}

/// A way to one node.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    /// For answers that have no end.
    streaming: reqwest::Client,
    url: String,
    token: Option<HeaderValue>,
    /// Whether documents are printed as they come.
    pub(super) is_json: bool,
}

impl Client {
    pub(super) fn new(global: &Global) -> Result<Self, Failure> {
        let url = global.url.trim_end_matches('/').to_owned();
        if !url.starts_with("http://") {
            let text = format!("{url} is no address of a node: this build talks plain HTTP only");
            return Err(Failure::usage(text).with_hint("--url http://127.0.0.1:7410"));
        }
        let token = global.token_file.as_deref().map(read_token).transpose()?;
        let builder = || reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy();
        let none = |error| Failure::environment(format!("no HTTP client: {error}"));
        let http = builder().timeout(CALL_TIMEOUT_MAX + ANSWER_MARGIN).build().map_err(none)?;
        let streaming = builder().read_timeout(SILENCE_MAX).build().map_err(none)?;
        Ok(Self { http, streaming, url, token, is_json: global.json })
    }

    /// The address that it talks to.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn send(&self, mut request: Request) -> Result<Answer, Failure> {
        let is_read = request.method.is_safe();
        let hint = request.when_unanswered.take();
        let unanswered = |error: reqwest::Error| self.unanswered(&error, is_read, hint.clone());
        let sent = self.request(&self.http, request).send().await;
        let response = sent.map_err(unanswered)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(unanswered)?;
        if status.is_success() {
            return Ok(Answer { headers, body });
        }
        Err(self.refused(status, &headers, &body))
    }

    /// Sends a request whose answer has no end.
    pub(super) async fn stream(&self, request: Request) -> Result<reqwest::Response, Failure> {
        let sent = self.request(&self.streaming, request).send().await;
        let response = sent.map_err(|error| self.unanswered(&error, true, None))?;
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.map_err(|error| self.unanswered(&error, true, None))?;
        Err(self.refused(status, &headers, &body))
    }

    fn request(&self, http: &reqwest::Client, request: Request) -> reqwest::RequestBuilder {
        let sending = http
            .request(request.method, format!("{}{}", self.url, request.path))
            .headers(request.headers)
            .body(request.body);
        match &self.token {
            Some(token) => sending.header(AUTHORIZATION, token.clone()),
            None => sending,
        }
    }

    /// What an answer means that is an error.
    fn refused(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
        let is_problem = headers.get(CONTENT_TYPE).is_some_and(|media_type| media_type == CONTENT);
        match serde_json::from_slice::<Document>(body) {
            Ok(problem) if is_problem => Failure::of_problem(problem),
            _ => {
                let text = format!("{} answered {status}, and not as a Highlander node", self.url);
                Failure::environment(text).with_hint("look at --url and HIGHLANDER_URL")
            }
        }
    }

    fn unanswered(&self, error: &reqwest::Error, is_read: bool, hint: Option<String>) -> Failure {
        let url = &self.url;
        if error.is_builder() {
            return Failure::usage(format!("{url} is no address of a node"));
        }
        if error.is_connect() {
            let text = format!("no node answers at {url}");
            let failure = Failure { exit: Exit::Unavailable, message: text, hint: None };
            return failure.with_hint("start one with: highlander dev, or name another with --url");
        }
        let why = if error.is_timeout() { "in time" } else { "before the connection broke" };
        let message = format!("the node at {url} did not answer {why}");
        if is_read {
            return Failure { exit: Exit::Unavailable, message, hint: None };
        }
        let hint =
            hint.unwrap_or_else(|| "it may have been done: look before it is repeated".into());
        Failure { exit: Exit::Unknown, message, hint: Some(hint) }
    }
}

/// The path of an object.
pub(super) fn object_path(id: &ObjectId) -> Result<String, Failure> {
    if matches!(id.key(), "." | "..") {
        let text = format!(
            "{id} cannot be called over HTTP, whose clients take such a key for a step in a path"
        );
        return Err(Failure::usage(text));
    }
    Ok(format!("/v1/objects/{}/{}", id.type_name(), encoded(id.key())))
}

/// Text as a part of a path, or as a value of a query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, URL_SAFE).to_string()
}

fn read_token(path: &Path) -> Result<HeaderValue, Failure> {
    let text = secret::read(path)?;
    let mut value = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| {
        let shown = path.display();
        Failure::usage(format!("{shown} holds characters that no token has"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}
