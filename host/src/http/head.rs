//! Checks that apply to the head of every request: length of the URL, `Host`, repeated headers and `Content-Encoding`.
//!
//! Pure. Code that parses individual headers relies on these checks. If it picked one of several values, a proxy
//! might have used another.

use highlander_core::error::{Error, ErrorCode};
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, IF_MATCH, IF_NONE_MATCH, ORIGIN,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Version};

use super::request::{
    CALLER, CHAIN, CONSISTENCY, HOPS, IDEMPOTENCY_KEY, LAST_EVENT_ID, MESSAGE, RANK, TIMEOUT,
    malformed,
};

/// Maximum length of path and query.
const URL_BYTES_MAX: usize = 2048;
/// Maximum length in a forwarded request. A node also percent-encodes bytes that clients may send as they are,
/// which can triple the length.
const FORWARDED_URL_BYTES_MAX: usize = 3 * URL_BYTES_MAX;

/// Headers that may appear only once. This includes lists: even if a node combined two lines into one condition, a
/// proxy might not.
const SINGLE: [HeaderName; 18] = [
    AUTHORIZATION,
    CALLER,
    CHAIN,
    CONSISTENCY,
    CONTENT_TYPE,
    HOPS,
    HOST,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    LAST_EVENT_ID,
    MESSAGE,
    ORIGIN,
    RANK,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION,
    TIMEOUT,
    TRANSFER_ENCODING,
];

/// Rejects a head that is ambiguous, or too long in parts that hyper does not limit.
///
/// # Errors
/// [`ErrorCode::HeadTooLarge`], [`ErrorCode::MalformedRequest`] and [`ErrorCode::UnsupportedEncoding`].
pub(super) fn check(parts: &Parts) -> Result<(), Error> {
    check_url(parts)?;
    check_repetitions(&parts.headers)?;
    check_host(parts)?;
    check_encoding(&parts.headers)
}

fn check_url(parts: &Parts) -> Result<(), Error> {
    let url = parts.uri.path_and_query().map_or(0, |url| url.as_str().len());
    let is_forwarded = parts.headers.contains_key(HOPS);
    let limit = if is_forwarded { FORWARDED_URL_BYTES_MAX } else { URL_BYTES_MAX };
    if url > limit {
        let text = format!("the URL has {url} bytes; expected at most {limit}");
        return Err(Error::new(ErrorCode::HeadTooLarge, text));
    }
    Ok(())
}

fn check_repetitions(headers: &HeaderMap) -> Result<(), Error> {
    // Most requests repeat no header.
    if headers.len() == headers.keys_len() {
        return Ok(());
    }
    let repeated = SINGLE.into_iter().find(|name| headers.get_all(name).iter().nth(1).is_some());
    repeated.map_or(Ok(()), |name| {
        Err(malformed(format!("the header {name} is given more than once"))
            .with_hint("send the header once"))
    })
}

/// Requires exactly one host, the same in `Host` and in the URL (RFC 9112, 3.2, and RFC 9113, 8.3.1).
fn check_host(parts: &Parts) -> Result<(), Error> {
    let is_http2 = parts.version >= Version::HTTP_2;
    let named = parts.uri.authority();
    let Some(host) = parts.headers.get(HOST) else {
        // HTTP/1.0 does not require the header, and in HTTP/2 the URL contains the host.
        let is_known = if is_http2 { named.is_some() } else { parts.version < Version::HTTP_11 };
        if is_known {
            return Ok(());
        }
        let error = malformed("the request has no host");
        return Err(error.with_hint("send the header Host once"));
    };
    let host = authority(host).ok_or_else(|| {
        malformed("the header Host is not valid; expected a host, with or without a port")
            .with_hint("use the host of the URL, like node.example:7410")
    })?;
    match named {
        Some(named) if is_http2 && !named.as_str().eq_ignore_ascii_case(host.as_str()) => {
            Err(malformed("the header Host differs from :authority"))
        }
        _ => Ok(()),
    }
}

fn authority(host: &HeaderValue) -> Option<Authority> {
    let authority: Authority = host.to_str().ok()?.parse().ok()?;
    let text = authority.as_str();
    let port = text.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains(']'));
    let is_number = port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    (is_number && !authority.host().is_empty() && !text.contains('@')).then_some(authority)
}

/// Rejects encoded bodies. The node does not decode them, so it would take the encoded bytes for the content.
fn check_encoding(headers: &HeaderMap) -> Result<(), Error> {
    // Transfer codings can compress too (RFC 9112, 6.1).
    let transfer = headers.get(TRANSFER_ENCODING).map(|coding| coding.as_bytes().trim_ascii());
    if transfer.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"chunked")) {
        let text = "the request's Transfer-Encoding is not supported; expected chunked";
        return Err(Error::new(ErrorCode::UnsupportedEncoding, text)
            .with_hint("send only chunked, or Content-Length"));
    }
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let mut codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let is_plain = codings.all(|coding| {
        let coding = coding.trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    });
    if is_plain {
        return Ok(());
    }
    let text = "the body's Content-Encoding is not supported; expected identity";
    Err(Error::new(ErrorCode::UnsupportedEncoding, text)
        .with_hint("send the body unencoded, without Content-Encoding"))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(version: Version, url: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get(url).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[track_caller]
    fn code(version: Version, url: &str, headers: &[(&str, &str)]) -> Option<ErrorCode> {
        check(&parts(version, url, headers)).err().map(|error| error.code)
    }

    #[test]
    fn a_header_with_one_value_is_given_once() {
        for name in SINGLE {
            let twice = [("host", "h"), (name.as_str(), "\"1\""), (name.as_str(), "\"2\"")];
            let error = check(&parts(Version::HTTP_11, "/", &twice)).unwrap_err();
            assert_eq!(error.code, ErrorCode::MalformedRequest, "{name}");
            assert!(error.message.contains(name.as_str()), "{error}");
            // Even identical lines are rejected.
            let same = [("host", "h"), (name.as_str(), "\"1\""), (name.as_str(), "\"1\"")];
            assert_eq!(
                code(Version::HTTP_11, "/", &same),
                Some(ErrorCode::MalformedRequest),
                "{name}"
            );
        }
        let lists = [("host", "h"), ("accept", "a/b"), ("accept", "c/d"), ("x", "1"), ("x", "2")];
        assert_eq!(code(Version::HTTP_11, "/", &lists), None);
    }

    #[test]
    fn a_request_names_one_host() {
        let bad = Some(ErrorCode::MalformedRequest);
        assert_eq!(code(Version::HTTP_11, "/", &[]), bad);
        assert_eq!(code(Version::HTTP_11, "http://node.example/", &[]), bad);
        assert_eq!(code(Version::HTTP_10, "/", &[]), None, "it had no such header");
        assert_eq!(code(Version::HTTP_2, "/", &[]), bad);
        assert_eq!(code(Version::HTTP_2, "http://node.example/", &[]), None);
        for good in ["h", "node.example:7410", "127.0.0.1:80", "[::1]:7410", "[::1]", "h:"] {
            for version in [Version::HTTP_10, Version::HTTP_11] {
                assert_eq!(code(version, "/", &[("host", good)]), None, "{good}");
            }
        }
        for host in ["", "a b", "h/", "h:x", "a@h", ":80", "http://h", "h?x", "[::1"] {
            for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
                assert_eq!(code(version, "http://h/", &[("host", host)]), bad, "{host:?}");
            }
        }
        let both = |host| code(Version::HTTP_2, "http://h:1/", &[("host", host)]);
        assert_eq!((both("H:1"), both("h:2"), both("other:1")), (None, bad, bad));
        // The URL of a request to a proxy takes precedence over the header.
        assert_eq!(code(Version::HTTP_11, "http://h:1/", &[("host", "other")]), None);
    }

    #[test]
    fn a_body_is_not_packed() {
        let read =
            |value| code(Version::HTTP_11, "/", &[("host", "h"), ("content-encoding", value)]);
        for good in ["", "identity", "Identity", "identity, identity"] {
            assert_eq!(read(good), None, "{good}");
        }
        for bad in ["gzip", "GZIP", "identity, gzip", "br", "x", "gzip;q=0"] {
            assert_eq!(read(bad), Some(ErrorCode::UnsupportedEncoding), "{bad}");
        }
        let transfer =
            |value| code(Version::HTTP_11, "/", &[("host", "h"), ("transfer-encoding", value)]);
        assert_eq!((transfer("chunked"), transfer("Chunked ")), (None, None));
        for bad in ["gzip, chunked", "chunked, chunked", "gzip", "identity"] {
            assert_eq!(transfer(bad), Some(ErrorCode::UnsupportedEncoding), "{bad}");
        }
        let lines = [("host", "h"), ("content-encoding", "identity"), ("content-encoding", "br")];
        assert_eq!(code(Version::HTTP_11, "/", &lines), Some(ErrorCode::UnsupportedEncoding));
    }

    #[test]
    fn a_url_is_longer_where_a_node_has_encoded_it_again() {
        let url = |length: usize| format!("/{}", "x".repeat(length - 1));
        let read = |url: &str, headers: &[_]| code(Version::HTTP_10, url, headers);
        assert_eq!(read(&url(2048), &[]), None);
        assert_eq!(read(&url(2049), &[]), Some(ErrorCode::HeadTooLarge));
        let hops = [("highlander-hops", "1")];
        assert_eq!(read(&url(6144), &hops), None);
        assert_eq!(read(&url(6145), &hops), Some(ErrorCode::HeadTooLarge));
    }
}
