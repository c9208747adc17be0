//! HTTP/1.1 exchanges, each on a separate connection.
//!
//! The request path is sent byte for byte as written. Clients that follow the URL standard remove the segments
//! `.`, `..` and their escaped forms, which would make objects with these keys unreachable.

use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use http::{Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum silence of an event stream, which the node keeps alive every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(40);
/// Maximum size of one response; the largest are pages of keys and states of 8 MiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
const HTTP_PORT: u16 = 80;

/// Address of a node, as given by `--url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    authority: Authority,
    /// Path prefix without a trailing slash, for a node behind a proxy.
    prefix: String,
}

/// Reason why an exchange has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// No connection was established, so nothing was sent.
    NotConnected,
    /// The response did not arrive in time.
    TimedOut,
    /// The connection broke.
    Broken,
}

impl Address {
    /// Parses `http://HOST[:PORT][/PREFIX]`; returns `None` for anything else.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let url: Uri = url.parse().ok()?;
        let authority = url.authority().filter(|authority| !authority.as_str().contains('@'))?;
        // The URI parser also accepts an authority whose port is not a number.
        let has_port =
            authority.host().len() == authority.as_str().len() || authority.port_u16().is_some();
        let has_host = !authority.host().is_empty();
        let is_plain = url.scheme_str() == Some("http") && url.query().is_none();
        let prefix = url.path().trim_end_matches('/').to_owned();
        (is_plain && has_host && has_port).then(|| Self { authority: authority.clone(), prefix })
    }

    /// Whether it names a port.
    pub(super) fn has_port(&self) -> bool {
        self.authority.port().is_some()
    }

    /// Returns the value of the `Host` header.
    pub(super) fn host(&self) -> &str {
        self.authority.as_str()
    }

    /// Returns the path with the prefix, as sent.
    pub(super) fn path(&self, path: &str) -> Option<Uri> {
        format!("{}{path}", self.prefix).parse().ok()
    }

    /// Sends a request and waits for the head of the response.
    pub(super) async fn begin(
        &self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unanswered> {
        // The authority has an IPv6 address in brackets.
        let host = self.authority.host().trim_matches(['[', ']']);
        let connecting = TcpStream::connect((host, self.authority.port_u16().unwrap_or(HTTP_PORT)));
        let connected = timeout(CONNECT_TIMEOUT, connecting).await;
        let stream = connected.ok().and_then(Result::ok).ok_or(Unanswered::NotConnected)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|_| Unanswered::Broken)?;
        // The connection task ends with the exchange, when the sender (here) and the body (by its reader) are
        // dropped.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|_| Unanswered::Broken)
    }
}

/// Reads the whole body of a response.
pub(super) async fn whole(body: Incoming) -> Result<Bytes, Unanswered> {
    let collected = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|_| Unanswered::Broken)
}

/// Endless response whose chunks must arrive within a time limit.
#[derive(Debug)]
pub(in crate::cli) struct Stream(Incoming);

impl Stream {
    /// Waits for the head of the response, with the same time limit as for every later chunk.
    pub(super) async fn begin(
        address: &Address,
        request: http::Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let begun = timeout(SILENCE_MAX, address.begin(request)).await;
        begun.unwrap_or(Err(Unanswered::TimedOut))
    }

    pub(super) fn new(body: Incoming) -> Self {
        Self(body)
    }

    /// Returns the next bytes, or `None` at the end. An error means that the connection broke or was silent for
    /// too long.
    pub(in crate::cli) async fn chunk(&mut self) -> Result<Option<Bytes>, ()> {
        loop {
            let frame = timeout(SILENCE_MAX, self.0.frame()).await.map_err(|_| ())?;
            let Some(frame) = frame else { return Ok(None) };
            // A frame without data holds trailers.
            if let Ok(data) = frame.map_err(|_| ())?.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_sent_as_it_was_written() {
        let address = Address::parse("http://[::1]:7410/behind/a/proxy/").unwrap();
        assert_eq!(address.host(), "[::1]:7410");
        for path in ["/v1/objects/todo/%2E%2E", "/v1/objects/todo/..", "/v1/objects/todo/a%2Fb?x=1"]
        {
            let sent = address.path(path).unwrap();
            assert_eq!(sent.to_string(), format!("/behind/a/proxy{path}"));
        }
    }

    #[test]
    fn an_address_is_plain_http_to_a_host() {
        for bad in [
            "https://127.0.0.1:1",
            "http://",
            "127.0.0.1:7410",
            "http://user:secret@127.0.0.1:1",
            "http://127.0.0.1:1/?x=1",
            "http://127.0.0.1:x",
            "http://:7410",
            "",
        ] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
        assert!(Address::parse("http://localhost").is_some());
    }
}
