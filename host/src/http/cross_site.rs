//! Refuses what pages of other sites would have a visitor's browser do: `Origin` says where a page comes from.
//! That they cannot read answers is left to browsers, which let nobody read who is not allowed to. A request without
//! `Origin`, as from a command or a node, is none of a page.

use http::header::{HOST, ORIGIN, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::error::{Code, Error};

/// Refuses a request of a page from elsewhere that begins a WebSocket, which browsers let it read, or that would change
/// something where `needs_token` is false: a page does not have the visitor's token, and needs none there.
///
/// # Errors
/// [`Code::Forbidden`].
pub(super) fn check(parts: &Parts, needs_token: bool) -> Result<(), Error> {
    let begins_socket = parts.headers.contains_key(UPGRADE);
    let may_change = !parts.method.is_safe() && !needs_token;
    if !(begins_socket || may_change) {
        return Ok(());
    }
    let host = host_of(parts);
    let foreign = parts.headers.get_all(ORIGIN).iter().find(|origin| !is_same(origin, host));
    let Some(origin) = foreign else { return Ok(()) };
    let origin: String = String::from_utf8_lossy(origin.as_bytes()).chars().take(100).collect();
    let text = format!("the request is of a page from {origin:?}, which is not where it was sent");
    Err(Error::new(Code::Forbidden, text).with_hint(
        "serve the page and the node from one host and port; a proxy in front of a node passes Host on as it was sent",
    ))
}

/// Where the request was sent, as the client names it.
fn host_of(parts: &Parts) -> Option<&str> {
    // A URL with a host, as in HTTP/2, stands above the header.
    let named = parts.uri.authority().map(http::uri::Authority::as_str);
    named.or_else(|| single(&parts.headers)?.to_str().ok())
}

fn single(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut hosts = headers.get_all(HOST).iter();
    hosts.next().filter(|_| hosts.next().is_none())
}

/// Whether an origin has this host and port. Its scheme may be another one: who ends TLS in front of a node knows that,
/// and the node does not.
fn is_same(origin: &HeaderValue, host: Option<&str>) -> bool {
    let parts = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let (Some((scheme, named)), Some(host)) = (parts, host) else { return false };
    let usual = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |name: &str| name.strip_suffix(usual).unwrap_or(name).to_ascii_lowercase();
    bare(named) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_the_same_by_host_and_port() {
        let same = [
            ("http://127.0.0.1:7410", "127.0.0.1:7410"),
            ("http://Node.example:7410", "node.EXAMPLE:7410"),
            ("https://node.example", "node.example"),
            ("https://node.example", "node.example:443"),
            ("http://node.example:80", "node.example"),
            ("http://[::1]:7410", "[::1]:7410"),
        ];
        for (origin, host) in same {
            assert!(is_same(&origin.parse().unwrap(), Some(host)), "{origin} {host}");
        }
        let other = [
            ("http://127.0.0.1:7411", "127.0.0.1:7410"),
            ("http://localhost:7410", "127.0.0.1:7410"),
            ("http://evil.example", "127.0.0.1:7410"),
            ("https://node.example", "node.example:80"),
            ("http://node.example.evil.example", "node.example"),
            ("http://evil.example@node.example", "node.example"),
            ("file://node.example", "node.example"),
            ("null", "null"),
            ("", ""),
        ];
        for (origin, host) in other {
            assert!(!is_same(&origin.parse().unwrap(), Some(host)), "{origin} {host}");
        }
        assert!(!is_same(&"http://node.example".parse().unwrap(), None));
    }
}
