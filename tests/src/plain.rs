//! A minimal HTTP/1.1 client, which distinguishes a failure to connect from the loss of an open connection.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A connection to a node, for sequential requests.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

/// A complete response.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Response body.
    pub body: String,
    /// Whether the node announces that it closes the connection.
    pub is_last: bool,
}

impl Connection {
    /// Connects to the node at `url`.
    ///
    /// # Errors
    /// If no process listens there.
    pub async fn open(url: &str) -> io::Result<Self> {
        let host = url.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), host })
    }

    /// Sends a request without a body, such as `GET /healthz`, and reads the response.
    ///
    /// # Errors
    /// If the connection is lost before the response is complete.
    pub async fn ask(&mut self, first_line: &str) -> io::Result<Answer> {
        let host = &self.host;
        let head = format!("{first_line} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n\r\n");
        self.stream.write_all(head.as_bytes()).await?;
        let status_line = self.line().await?;
        let status = status_line.get(9..12).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("{status_line:?}")))?;
        let (mut length, mut is_last) = (0, false);
        loop {
            let line = self.line().await?.to_ascii_lowercase();
            match line.split_once(": ") {
                None if line.is_empty() => break,
                Some(("content-length", number)) => {
                    length = number.parse().map_err(io::Error::other)?;
                }
                Some(("connection", value)) => is_last = value == "close",
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        let body = String::from_utf8(body).map_err(io::Error::other)?;
        Ok(Answer { status, body, is_last })
    }

    /// Reads a line of a head, without its line end.
    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let whole = line.strip_suffix("\r\n").map(str::to_owned);
        whole.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
