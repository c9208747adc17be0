//! Rejects cross-site requests from browsers: CSRF, WebSocket hijacking and DNS rebinding.
//!
//! `Origin` names the site of the page that makes the request; a request without it, as from a command-line tool
//! or a node, does not come from a page. Reads need no check, because browsers keep pages from reading responses
//! of other sites. With DNS rebinding, a page's own name is made to resolve to this machine. The browser then
//! treats the page and the node as the same origin, and only the name reveals the page.

use std::net::IpAddr;

use highlander_core::error::{Error, ErrorCode};
use http::header::{HOST, ORIGIN, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::Config;

/// Rejects three kinds of requests. A page of another site may not open a WebSocket, because browsers let it read
/// the messages. It may not change anything if no tokens are required; if they are, it lacks the visitor's token.
/// If the node serves only this machine and requires no tokens, `Host` must be an IP address or `localhost`.
///
/// # Errors
/// [`ErrorCode::Forbidden`].
pub(super) fn check(parts: &Parts, config: &Config) -> Result<(), Error> {
    let (host, needs_token) = (host_of(parts), config.access.needs_token());
    if config.is_for_this_machine && !needs_token {
        check_name(host)?;
    }
    let begins_socket = parts.headers.contains_key(UPGRADE);
    let may_change = !parts.method.is_safe() && !needs_token;
    if !(begins_socket || may_change) {
        return Ok(());
    }
    let foreign = parts.headers.get_all(ORIGIN).iter().find(|origin| !is_same(origin, host));
    let Some(origin) = foreign else { return Ok(()) };
    let origin: String = String::from_utf8_lossy(origin.as_bytes()).chars().take(100).collect();
    let text =
        format!("the request comes from a page of {origin:?}, which is not the requested host");
    Err(Error::new(ErrorCode::Forbidden, text).with_hint(
        "serve the page from the host and port of the node; a proxy in front of a node must forward Host unchanged",
    ))
}

/// Rejects a `Host` other than this machine. A request without `Host`, as from an old client, does not come from a
/// browser.
fn check_name(host: Option<&str>) -> Result<(), Error> {
    let Some(host) = host.filter(|host| !is_this_machine(host)) else { return Ok(()) };
    let host: String = host.chars().take(100).collect();
    let text = format!("the request was sent to {host:?}, which is not a name of this machine");
    Err(Error::new(ErrorCode::Forbidden, text).with_hint(
        "highlander dev accepts only IP addresses and localhost, unless it requires tokens (auth.tokens_file)",
    ))
}

/// Whether a host, with or without a port, is `localhost` or an IP address. A DNS name under an attacker's control
/// is neither.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let name = bare.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

/// Returns the host to which the client sent the request.
fn host_of(parts: &Parts) -> Option<&str> {
    // The authority in the URL, as in HTTP/2, takes precedence over the header.
    let named = parts.uri.authority().map(http::uri::Authority::as_str);
    named.or_else(|| single(&parts.headers)?.to_str().ok())
}

fn single(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut hosts = headers.get_all(HOST).iter();
    hosts.next().filter(|_| hosts.next().is_none())
}

/// Whether an origin has this host and port. The scheme may differ, because the node cannot know whether a proxy
/// terminates TLS in front of it.
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

    #[test]
    fn this_machine_is_an_address_or_localhost() {
        for host in ["127.0.0.1:7410", "127.0.0.1", "[::1]:7410", "LocalHost:1", "a.localhost:7410"]
        {
            assert!(is_this_machine(host), "{host}");
        }
        for host in
            ["evil.example:7410", "localhost.evil.example", "127.0.0.1.evil.example", "", ":7410"]
        {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
