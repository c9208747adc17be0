//! Client for a node's HTTP API: one request, one response, and the meaning of a missing response.
//!
//! A request without a response may have been executed, unless no connection was established or the request only
//! reads. [`transport`] handles the connection.

mod transport;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use highlander_core::id::ObjectId;
use highlander_core::limits::CALL_TIMEOUT_MAX;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use self::transport::Address;
pub(super) use self::transport::Stream;
use self::transport::Unanswered;
use super::environment::Global;
use super::failure::{Exit, Failure};
use crate::secret;
use crate::wire::problem::{CONTENT, Document};

/// Characters that are left unescaped in a path or query; every other byte becomes `%XX`.
const URL_SAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Time that a response may take beyond the maximum timeout of a call.
const ANSWER_MARGIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Hint for the user if the request was sent but not answered.
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

    /// Adds a body with this media type.
    pub(super) fn with_body(mut self, media_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        Self { body: body.into(), ..self }
    }

    /// Sets the hint to show if the request gets no response, and so may have been executed.
    pub(super) fn when_unanswered(self, hint: impl Into<String>) -> Self {
        Self { when_unanswered: Some(hint.into()), ..self }
    }

    /// Adds one header.
    pub(super) fn with_header(mut self, name: &'static str, value: &str) -> Result<Self, Failure> {
        let value = HeaderValue::from_str(value).map_err(|_| {
            Failure::usage(format!("{value:?} contains characters that are not valid in a header"))
        })?;
        self.headers.insert(name, value);
        Ok(self)
    }
}

/// Successful response.
#[derive(Debug)]
pub(super) struct Answer {
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// Returns the object version that the response reports.
    pub(super) fn version(&self) -> Option<&str> {
        self.headers.get("highlander-version")?.to_str().ok()
    }

    /// Whether this is the stored reply of an earlier call with the same idempotency key.
    pub(super) fn is_replayed(&self) -> bool {
        self.headers.contains_key("idempotency-replayed")
    }

    /// Deserializes the body.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| unreadable(&error))
    }
}

/// Deserializes a part of a response.
pub(super) fn read<'a, T: Deserialize<'a>>(part: &'a RawValue) -> Result<T, Failure> {
    serde_json::from_str(part.get()).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Failure {
    Failure::environment(format!("cannot parse the node's response: {error}")).with_hint(
        "the node and this command have different versions, or it is not a Highlander node: \
         compare highlander --version on both sides, and check --url",
    )
}

/// Client for one node.
#[derive(Debug)]
pub(super) struct Client {
    address: Address,
    url: String,
    token: Option<HeaderValue>,
    /// Whether documents are printed unchanged.
    pub(super) is_json: bool,
}

impl Client {
    pub(super) fn new(global: &Global) -> Result<Self, Failure> {
        let url = global.url().trim_end_matches('/').to_owned();
        let address = Address::parse(&url).ok_or_else(|| no_address(&url))?;
        let token = global.token_file().as_deref().map(read_token).transpose()?;
        Ok(Self { address, url, token, is_json: global.json })
    }

    /// Returns the node's address.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Sends a request and waits for its response.
    pub(super) async fn send(&self, mut request: Request) -> Result<Answer, Failure> {
        let is_read = request.method.is_safe();
        let hint = request.when_unanswered.take();
        let exchange = async {
            let response = self.address.begin(self.message(request)?).await;
            let (head, body) = response.map_err(Failed::Unanswered)?.into_parts();
            let body = transport::whole(body).await.map_err(Failed::Unanswered)?;
            Ok::<_, Failed>((head, body))
        };
        let exchanged = tokio::time::timeout(CALL_TIMEOUT_MAX + ANSWER_MARGIN, exchange).await;
        match exchanged.unwrap_or(Err(Failed::Unanswered(Unanswered::TimedOut))) {
            Ok((head, body)) if head.status.is_success() => {
                Ok(Answer { headers: head.headers, body })
            }
            Ok((head, body)) => Err(self.refused(head.status, &head.headers, &body)),
            Err(failed) => Err(self.failed(&failed, is_read, hint)),
        }
    }

    /// Sends a request whose response is an endless stream.
    pub(super) async fn stream(&self, request: Request) -> Result<Stream, Failure> {
        let message = self.message(request).map_err(|failed| self.failed(&failed, true, None))?;
        let begun = Stream::begin(&self.address, message).await;
        let unanswered = |why| self.unanswered(why, true, None);
        let (head, body) = begun.map_err(unanswered)?.into_parts();
        if head.status.is_success() {
            return Ok(Stream::new(body));
        }
        let body = transport::whole(body).await.map_err(unanswered)?;
        Err(self.refused(head.status, &head.headers, &body))
    }

    fn message(&self, request: Request) -> Result<http::Request<Full<Bytes>>, Failed> {
        let uri = self.address.path(&request.path).ok_or(Failed::Unsendable)?;
        let host = HeaderValue::from_str(self.address.host()).map_err(|_| Failed::Unsendable)?;
        let mut message = http::Request::new(Full::new(request.body));
        (*message.method_mut(), *message.uri_mut()) = (request.method, uri);
        *message.headers_mut() = request.headers;
        message.headers_mut().insert(HOST, host);
        if let Some(token) = &self.token {
            message.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        Ok(message)
    }

    /// Converts an error response into a failure.
    fn refused(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
        let is_problem = headers.get(CONTENT_TYPE).is_some_and(|media_type| media_type == CONTENT);
        match serde_json::from_slice::<Document>(body) {
            Ok(problem) if is_problem => Failure::of_problem(problem),
            _ => {
                let text =
                    format!("{} responded with {status}, but not as a Highlander node", self.url);
                Failure::environment(text).with_hint("check --url and HIGHLANDER_URL")
            }
        }
    }

    fn failed(&self, failed: &Failed, is_read: bool, hint: Option<String>) -> Failure {
        match failed {
            Failed::Unsendable => no_address(&self.url),
            Failed::Unanswered(why) => self.unanswered(*why, is_read, hint),
        }
    }

    fn unanswered(&self, why: Unanswered, is_read: bool, hint: Option<String>) -> Failure {
        let url = &self.url;
        let why = match why {
            Unanswered::NotConnected => {
                let text = format!("no node responds at {url}; nothing was executed");
                let failure = Failure { exit: Exit::Unavailable, message: text, hint: None };
                return failure.with_hint(
                    "start one with: highlander dev, or specify another one with --url",
                );
            }
            Unanswered::TimedOut => "in time",
            Unanswered::Broken => "before the connection broke",
        };
        let message = format!("the node at {url} did not respond {why}");
        if is_read {
            return Failure { exit: Exit::Unavailable, message, hint: None };
        }
        let hint = hint.unwrap_or_else(|| {
            "the request may have been executed; check before you repeat it".into()
        });
        Failure { exit: Exit::Unknown, message, hint: Some(hint) }
    }
}

/// Reason why a request has no response.
enum Failed {
    /// The request cannot be written as HTTP.
    Unsendable,
    Unanswered(Unanswered),
}

/// Explains why a node's address is invalid.
fn no_address(url: &str) -> Failure {
    if let Some(rest) = url.strip_prefix("https://") {
        let text = format!("{url} requires TLS, which this build does not support");
        return Failure::usage(text).with_hint(format!(
            "on a trusted network, or through a proxy on this machine: --url http://{rest}"
        ));
    }
    // The address may contain a password.
    if url.contains('@') {
        let failure = Failure::usage("the address of a node must not contain a user or a password");
        return failure.with_hint("authenticate with a token instead: --token-file FILE");
    }
    let plain = url.strip_prefix("http://").unwrap_or(url).trim_start_matches(':');
    let port: Option<u16> = plain.parse().ok();
    let bare = Address::parse(&format!("http://{plain}")).filter(|_| !plain.contains("://"));
    let (text, advised) = match (port, bare) {
        (Some(port), _) => (format!("the address {url} lacks a host"), format!("127.0.0.1:{port}")),
        (None, Some(address)) if address.has_port() => {
            (format!("the address {url} lacks http:// in front"), plain.to_owned())
        }
        (None, Some(_)) => (
            format!("the address {url} lacks http:// in front, and a port"),
            format!("{plain}:7410"),
        ),
        (None, None) => (
            format!("{url:?} is not the address of a node; expected http://HOST:PORT"),
            "127.0.0.1:7410".into(),
        ),
    };
    Failure::usage(text).with_hint(format!("--url http://{advised}"))
}

/// Returns the path of an object.
pub(super) fn object_path(id: &ObjectId) -> String {
    let key = match id.key() {
        // The keys `.` and `..` are escaped so that proxies are less likely to resolve them as path segments.
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        key => encoded(key),
    };
    format!("/v1/objects/{}/{key}", id.type_name())
}

/// Percent-encodes text for a path segment or a query value.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, URL_SAFE).to_string()
}

fn read_token(path: &Path) -> Result<HeaderValue, Failure> {
    const NAMED: &str =
        "--token-file or HIGHLANDER_TOKEN_FILE must name a file with one line, the token";
    let text = secret::read(path).map_err(|error| {
        let failure = Failure::from(error);
        if failure.hint.is_some() { failure } else { failure.with_hint(NAMED) }
    })?;
    let value = HeaderValue::from_str(&format!("Bearer {text}")).ok();
    let mut value = value.filter(|_| !text.is_empty()).ok_or_else(|| {
        let what = if text.is_empty() {
            "is empty"
        } else {
            "contains characters that are not valid in a token"
        };
        Failure::usage(format!("{} {what}", path.display())).with_hint(NAMED)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_is_advised_is_one() {
        for (url, text, advised) in [
            ("127.0.0.1:1", "lacks http:// in front", "127.0.0.1:1"),
            ("127.0.0.1", "and a port", "127.0.0.1:7410"),
            ("localhost", "and a port", "localhost:7410"),
            ("7411", "lacks a host", "127.0.0.1:7411"),
            (":7411", "lacks a host", "127.0.0.1:7411"),
            ("http://:7411", "lacks a host", "127.0.0.1:7411"),
            ("", "is not the address", "127.0.0.1:7410"),
            ("http:", "is not the address", "127.0.0.1:7410"),
            ("ftp://a:1", "is not the address", "127.0.0.1:7410"),
            ("http://127.0.0.1:99999", "is not the address", "127.0.0.1:7410"),
            ("https://127.0.0.1:1", "requires TLS", "127.0.0.1:1"),
        ] {
            assert_eq!(Address::parse(url), None, "{url}");
            let failure = no_address(url);
            assert!(failure.message.contains(text), "{url}: {}", failure.message);
            let hint = failure.hint.unwrap();
            assert!(hint.ends_with(&format!("--url http://{advised}")), "{url}: {hint}");
            assert!(Address::parse(&format!("http://{advised}")).is_some(), "{url}");
        }
        let failure = no_address("http://ada:secret@127.0.0.1:1");
        assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
    }

    #[test]
    fn a_file_without_a_token_is_named() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let refused = || read_token(&path).map_err(|failure| (failure.message, failure.hint));
        assert!(refused().unwrap_err().1.unwrap().contains("--token-file"));
        for (text, why) in
            [("", "is empty"), ("\n", "is empty"), ("a\nb\n", "not valid in a token")]
        {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            let (message, hint) = refused().unwrap_err();
            assert!(message.contains(why) && hint.is_some(), "{message}");
        }
        std::fs::write(&path, "hl_x\n").unwrap();
        assert_eq!(refused().unwrap(), "Bearer hl_x");
    }
}
