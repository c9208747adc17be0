//! Address of another node: a host and a port, and nothing else.
//!
//! Addresses come from the registry and are therefore untrusted. Anything else is rejected, so that no address is
//! ambiguous.

use http::uri::Authority;

/// Host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Both, as they appear in a URL.
    pub(super) authority: Authority,
    /// Name or IP address, without brackets.
    pub(super) host: Box<str>,
    pub(super) port: u16,
}

impl Address {
    /// Parses `host:port`. The host is a name, an IPv4 address, or an IPv6 address in brackets.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port: u16 = port.parse().ok().filter(|port| is_number && *port > 0)?;
        let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = match inside {
            Some(inside) => inside.parse::<std::net::Ipv6Addr>().ok().map(|_| inside)?,
            None => Some(host).filter(|host| is_name(host))?,
        };
        Some(Self { authority: text.parse().ok()?, host: host.into(), port })
    }
}

/// Whether a host has the syntax of a name or an IPv4 address.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_host_and_a_port_alone() {
        for (text, host, port) in [
            ("10.0.0.5:7410", "10.0.0.5", 7410),
            ("node-1.example:80", "node-1.example", 80),
            ("localhost:65535", "localhost", 65535),
            ("[::1]:7410", "::1", 7410),
        ] {
            let address = Address::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((&*address.host, address.port), (host, port));
            assert_eq!(address.authority.as_str(), text);
        }
        for bad in [
            "",
            ":80",
            "host",
            "host:",
            "host:0",
            "host:+80",
            "host:65536",
            "user@host:80",
            "host:80/path",
            "http://host:80",
            "host/path:80",
            "a b:80",
            "::1:80",
            "[::1:80",
            "[host]:80",
            "a..b:80",
            "-a:80",
            "h\u{e4}:80",
            "host:80\r\nx: y",
        ] {
            assert_eq!(Address::parse(bad), None, "{bad:?}");
        }
    }
}
