//! A client's side of one HTTP/1.1 connection, as cheap as it can be: the load must not cost more than what it loads.
//!
//! One request at a time. Answers have a `content-length`; anything else is an error.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What ends a head.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A connection that stays open.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were read.
    filled: usize,
}

/// An answer, in the connection's memory.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// Where an answer's parts are.
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

    /// Sends a request and waits for its answer.
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
        ensure!(self.filled == end, "the server sent more than it announced");
        let body = self.buffer.get(head.head_bytes..end).unwrap_or_default();
        Ok(Answer { status: head.status, body })
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

/// What a request carries.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    pub(crate) media_type: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// The head in `bytes`, once it is complete.
fn read_head(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = bytes.windows(HEAD_END.len()).position(|window| window == HEAD_END) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default())?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let Some(status) = status else { bail!("no answer of HTTP: {text}") };
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse())
    });
    let body_bytes = length.transpose()?.context("the answer does not say how long it is")?;
    Ok(Some(Head { status, head_bytes: end + HEAD_END.len(), body_bytes }))
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
    fn an_answer_of_unknown_length_is_refused() {
        assert!(read_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(read_head(b"nonsense\r\n\r\n").is_err());
    }
}
