//! Minimal HTTP/1.1 client: the load must not cost more than the server.
//!
//! A connection carries one request at a time. Responses must have a `content-length`; others are errors.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// End of a head.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Persistent connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are filled.
    filled: usize,
}

/// Response, borrowed from the buffer of the connection.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Answer<'_> {
    /// Returns the revision of the code that replied.
    pub(crate) fn revision(&self) -> Result<u32> {
        let head = std::str::from_utf8(self.head)?;
        let value = header(head.split("\r\n"), "highlander-revision");
        let value = value.context("the response has no revision")?;
        Ok(value.parse()?)
    }
}

/// Response with an owned body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Reply {
    /// Returns the body, or an error for a status other than 2xx.
    pub(crate) fn done(self) -> Result<String> {
        let Self { status, text } = self;
        ensure!((200..300).contains(&status), "status {status}: {text}");
        Ok(text)
    }
}

/// Status of a response, and the lengths of its parts.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Length of the head, and of the body after it.
    head_bytes: usize,
    body_bytes: usize,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 16 * 1024], filled: 0 })
    }

    /// Sends a request and waits for its response.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.filled = 0;
        let head = loop {
            self.read_some().await?;
            if let Some(head) = read_head(self.buffer.get(..self.filled).unwrap_or_default())? {
                break head;
            }
        };
        let end = head.head_bytes + head.body_bytes;
        while self.filled < end {
            self.read_some().await?;
        }
        ensure!(self.filled == end, "the server sent more than its content-length");
        let (status, length) = (head.status, head.head_bytes);
        let (head, body) =
            self.buffer.get(..end).and_then(|all| all.split_at_checked(length)).unwrap_or_default();
        Ok(Answer { status, head, body })
    }

    async fn read_some(&mut self) -> Result<()> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.filled * 2, 0);
        }
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let count = self.stream.read(room).await?;
        ensure!(count > 0, "the server closed the connection");
        self.filled += count;
        Ok(())
    }
}

/// Sends one request on a separate connection.
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &Body<'_>,
) -> Result<Reply> {
    let mut request = Vec::new();
    write_request(&mut request, method, path, body);
    let mut connection = Connection::open(address).await?;
    let answer = connection.exchange(&request).await?;
    Ok(Reply { status: answer.status, text: String::from_utf8_lossy(answer.body).into_owned() })
}

/// Returns the response of a server to a GET request.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<Reply> {
    ask(address, "GET", path, &Body { media_type: "application/json", bytes: b"" }).await
}

/// Appends a request with a body to `into`.
pub(crate) fn write_request(into: &mut Vec<u8>, method: &str, path: &str, body: &Body<'_>) {
    let Body { media_type, bytes } = body;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {media_type}\r\n\
         content-length: {}\r\n\r\n",
        bytes.len()
    );
    into.extend_from_slice(head.as_bytes());
    into.extend_from_slice(bytes);
}

/// Body of a request.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    pub(crate) media_type: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// Parses the head in `bytes`, once it is complete.
fn read_head(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = bytes.windows(HEAD_END.len()).position(|window| window == HEAD_END) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default())?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let Some(status) = status else { bail!("not an HTTP response: {text}") };
    let length = header(lines, "content-length").map(str::parse);
    let body_bytes = length.transpose()?.context("the response has no content-length")?;
    Ok(Some(Head { status, head_bytes: end + HEAD_END.len(), body_bytes }))
}

/// Returns the value of a header.
fn header<'a>(mut lines: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    lines.find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n42";
        assert_eq!(read_head(&bytes[..30]).unwrap(), None);
        let head = read_head(bytes).unwrap();
        assert_eq!(head, Some(Head { status: 200, head_bytes: 38, body_bytes: 2 }));
    }

    #[test]
    fn an_answer_names_the_revision_that_gave_it_or_none() {
        let answer = |head| Answer { status: 200, head, body: b"" }.revision();
        let head = b"HTTP/1.1 200 OK\r\nHighlander-Revision: 12\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(answer(head).unwrap(), 12);
        assert!(answer(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err());
    }

    #[test]
    fn an_answer_of_unknown_length_is_refused() {
        assert!(read_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(read_head(b"nonsense\r\n\r\n").is_err());
    }
}
