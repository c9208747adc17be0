//! A hostile request, and those of HTTP/1 from `tests/corpus/requests.txt`.

use super::answer::Answer;
use super::blocks::{self, Block};
use super::exchange::{self, Ending};

/// Bytes that a hostile client sends, and the answer that must follow.
#[derive(Debug)]
pub struct HostileRequest {
    /// Name.
    pub name: &'static str,
    /// Purpose, in one line.
    pub purpose: &'static str,
    /// Alternatives for the answer, separated by `|`; see [`Answer::is_as`].
    pub expected: String,
    bytes: Vec<u8>,
    connection_count: usize,
    ending: Ending,
}

impl HostileRequest {
    pub(super) fn new(
        name: &'static str,
        purpose: &'static str,
        expected: &str,
        bytes: Vec<u8>,
    ) -> Self {
        let expected = expected.to_owned();
        Self { name, purpose, expected, bytes, connection_count: 1, ending: Ending::Wait }
    }

    /// Runs the request against the node at `url`, and returns the answer on each of its connections.
    pub async fn run(&self, url: &str) -> Vec<Answer> {
        let host = url.strip_prefix("http://").unwrap();
        let bytes = replaced(&self.bytes, b"HOST", host.as_bytes());
        exchange::run(host, &bytes, self.ending, self.connection_count).await
    }
}

/// Returns the requests of the text file.
pub(super) fn http1() -> Vec<HostileRequest> {
    let blocks = blocks::read(include_str!("../../corpus/requests.txt"));
    blocks.into_iter().map(request).collect()
}

fn request(block: Block) -> HostileRequest {
    let Block { name, purpose, expected, body } = block;
    let mut request = HostileRequest::new(name, purpose, &expected, Vec::new());
    let mut rest = body.as_str();
    while let Some(directive) = rest.strip_prefix('%') {
        let (line, after) = directive.split_once('\n').unwrap_or((directive, ""));
        match line.split_once(' ').unwrap_or((line, "")) {
            ("connections", count) => request.connection_count = count.parse().unwrap(),
            ("half-close", "") => request.ending = Ending::HalfClose,
            ("drip", "") => request.ending = Ending::Drip,
            ("drop", "") => request.ending = Ending::Drop,
            _ => panic!("{name}: unknown directive {line}"),
        }
        rest = after;
    }
    if !rest.is_empty() {
        request.bytes = bytes(rest);
    }
    request
}

/// Returns the bytes of a body: its lines with their line ends, and an empty line unless the last one has no end.
fn bytes(body: &str) -> Vec<u8> {
    let lines = body.split('\n').map(|line| match line.strip_suffix("\\c") {
        Some(line) => line.to_owned(),
        None => format!("{line}\\r\\n"),
    });
    let end = if body.ends_with("\\c") { "" } else { "\\r\\n" };
    unescaped(&(lines.collect::<String>() + end))
}

fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend(before.as_bytes());
        let (byte, length) = match escape.as_bytes()[0] {
            b'r' => (b'\r', 1),
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b'\\' => (b'\\', 1),
            b'x' => (u8::from_str_radix(&escape[1..3], 16).unwrap(), 3),
            other => panic!("unknown escape {other}"),
        };
        bytes.push(byte);
        rest = &escape[length..];
    }
    bytes.extend(rest.as_bytes());
    bytes
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut result, mut rest) = (Vec::new(), bytes);
    while let Some(place) = rest.windows(from.len()).position(|window| window == from) {
        result.extend(&rest[..place]);
        result.extend(to);
        rest = &rest[place + from.len()..];
    }
    result.extend(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line_unless_its_last_line_has_no_end() {
        assert_eq!(bytes("GET / HTTP/1.1\nx: \\x00\\\\"), b"GET / HTTP/1.1\r\nx: \0\\\r\n\r\n");
        assert_eq!(bytes("a: b\n\n1\\c"), b"a: b\r\n\r\n1");
    }

    #[test]
    fn the_host_is_put_in_its_places() {
        assert_eq!(replaced(b"HOSTaHOST", b"HOST", b"h:1"), b"h:1ah:1");
    }
}
