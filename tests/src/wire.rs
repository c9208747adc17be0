//! A connection with bytes that the test writes, for clients that are slow, misbehave or disappear.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::wait;

/// A raw connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    host: String,
}

impl Wire {
    /// Connects to the node at `url`.
    pub async fn connect(url: &str) -> Self {
        let host = url.strip_prefix("http://").unwrap().to_owned();
        let stream = TcpStream::connect(&host).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, host }
    }

    /// Returns the bytes of a call without an argument, with these additional header lines, each with its line
    /// end.
    #[must_use]
    pub fn call(&self, object: &str, handler: &str, headers: &str) -> String {
        let host = &self.host;
        format!(
            "POST /v1/objects/{object}/{handler} HTTP/1.1\r\nhost: {host}\r\n{headers}content-length: 0\r\n\r\n"
        )
    }

    /// Writes bytes; returns `false` if the other side has closed the connection.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Whether the other side closes or responds within this time.
    pub async fn is_over_within(&mut self, time: Duration) -> bool {
        let mut byte = [0];
        timeout(time, self.stream.peek(&mut byte)).await.is_ok()
    }

    /// Reads everything until the other side closes the connection.
    pub async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset also ends the connection.
        let _ =
            wait::within("the end of the connection", self.stream.read_to_end(&mut bytes)).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
