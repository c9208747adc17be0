//! A body that was not read yet. The head is parsed and validated before any of the body is read.
//!
//! A client that waits for `100 Continue` gets the error instead and keeps its body. Other clients get the same
//! errors, in the same order of checks. The parsed head is returned together with the body, and is not parsed again.

use std::time::Duration;

use bytes::Bytes;
use highlander_core::error::Error;
use http::header::EXPECT;
use http::request::Parts;
use http::{HeaderMap, Version};
use hyper::body::{Body as _, Incoming};

use super::connection::ConnectionHandle;
use super::{Config, request, request_body};

/// The media type and maximum size that a route accepts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) media_type: &'static str,
    pub(super) bytes_max: usize,
}

/// A body that was not read yet.
#[derive(Debug)]
pub(super) struct Unread {
    body: Incoming,
    awaits_continue: bool,
    /// Maximum number of bytes to read and drop if the request is rejected.
    discard_max: usize,
    timeout: Duration,
    /// `None` outside of a connection.
    connection: Option<ConnectionHandle>,
}

impl Unread {
    pub(super) fn new(parts: &Parts, body: Incoming, config: &Config) -> Self {
        Self {
            body,
            awaits_continue: awaits_continue(parts.version, &parts.headers),
            discard_max: config.component_max,
            timeout: config.body_timeout,
            connection: ConnectionHandle::of(parts).ok(),
        }
    }

    /// Reads the body and returns it together with `said`, the parsed head. Rejects a body that is too large or of the
    /// wrong media type, and an invalid head, without reading the body.
    pub(super) async fn read<T>(
        mut self,
        headers: &HeaderMap,
        kind: Kind,
        said: Result<T, Error>,
    ) -> Result<(Bytes, T), Error> {
        let checked = match self.body.is_end_stream() {
            true => Ok(()),
            false => check(headers, self.body.size_hint().lower(), kind),
        };
        match checked.and(said) {
            Ok(said) => {
                let read = request_body::read(&mut self.body, kind.bytes_max, self.timeout).await;
                if read.is_err() {
                    self.leave_rest();
                }
                Ok((read?, said))
            }
            Err(error) => {
                self.turn_away().await;
                Err(error)
            }
        }
    }

    /// Drops the body of a rejected request. A client that has begun to send it may send some more of it.
    pub(super) async fn turn_away(mut self) {
        if !self.awaits_continue {
            request_body::discard_rest(&mut self.body, self.discard_max).await;
        }
        self.leave_rest();
    }

    /// Announces the end of the connection if some of the body was not read. hyper then closes the connection, and
    /// a client that had sent everything would send its next request there.
    fn leave_rest(&self) {
        if let (false, Some(connection)) = (self.body.is_end_stream(), &self.connection) {
            connection.leave_unread();
        }
    }
}

/// Whether the client waits for `100 Continue` before it sends its body.
pub(super) fn awaits_continue(version: Version, headers: &HeaderMap) -> bool {
    let expected = headers.get(EXPECT);
    version == Version::HTTP_11
        && expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn check(headers: &HeaderMap, declared: u64, kind: Kind) -> Result<(), Error> {
    if declared > kind.bytes_max as u64 {
        return Err(request_body::too_large(kind.bytes_max));
    }
    request::check_content_type(headers, kind.media_type)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use highlander_core::error::ErrorCode;

    #[test]
    fn who_waits_to_be_told_says_so_in_http_1_1() {
        let awaits = |version, value| {
            let headers = HeaderMap::from_iter([(EXPECT, HeaderValue::from_static(value))]);
            awaits_continue(version, &headers)
        };
        assert!(awaits(Version::HTTP_11, "100-continue"));
        assert!(awaits(Version::HTTP_11, "100-Continue"));
        assert!(!awaits(Version::HTTP_10, "100-continue"));
        assert!(!awaits(Version::HTTP_2, "100-continue"));
        assert!(!awaits(Version::HTTP_11, "200-ok"));
        assert!(!awaits_continue(Version::HTTP_11, &HeaderMap::new()));
    }

    #[test]
    fn a_body_is_judged_by_what_is_said_of_it() {
        let check = |media_type: &'static str, declared| {
            let said = HeaderValue::from_static(media_type);
            let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, said)]);
            let kind = Kind { media_type: "application/json", bytes_max: 10 };
            check(&headers, declared, kind).err().map(|error| error.code)
        };
        assert_eq!(check("application/json", 10), None);
        assert_eq!(check("Application/JSON; charset=utf-8", 10), None);
        assert_eq!(check("application/json", 11), Some(ErrorCode::BodyTooLarge));
        assert_eq!(check("text/plain", 10), Some(ErrorCode::MalformedRequest));
    }
}
