//! Sends the bytes of a hostile request, and reads everything that the node answers until it closes the connection.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::answer::Answer;
use crate::wait;

/// Pause between two bytes of a slow client.
const PAUSE: Duration = Duration::from_millis(100);

/// End of the client's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The client waits until the node closes the connection.
    Wait,
    /// The client closes its side, and waits.
    HalfClose,
    /// The client sends one byte at a time, until the node closes the connection.
    Drip,
    /// The client closes the connection and reads nothing.
    Drop,
}

/// Runs the same exchange on so many connections at once.
pub(super) async fn run(host: &str, bytes: &[u8], ending: Ending, count: usize) -> Vec<Answer> {
    let bounded = async || {
        let answer = timeout(wait::TIMEOUT, exchange(host, bytes, ending)).await;
        answer.unwrap_or_else(|_| Answer::still_open())
    };
    join_all((0..count).map(|_| bounded())).await
}

async fn exchange(host: &str, bytes: &[u8], ending: Ending) -> Answer {
    let stream = TcpStream::connect(host).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut from, mut to) = stream.into_split();
    // The node may have closed the connection before everything is written.
    let writing = async {
        match ending {
            Ending::Drip => drip(&mut to, bytes).await,
            _ => drop(to.write_all(bytes).await),
        }
        if ending == Ending::HalfClose {
            let _ = to.shutdown().await;
        }
    };
    if ending == Ending::Drop {
        writing.await;
        return Answer::default();
    }
    let mut answer = Vec::new();
    // A reset ends the connection, too, and leaves what was read before.
    let reading = from.read_to_end(&mut answer);
    match ending {
        Ending::Drip => tokio::select! {
            () = writing => {}
            _ = reading => {}
        },
        _ => drop(tokio::join!(writing, reading)),
    }
    Answer::read(&answer)
}

async fn drip(to: &mut (impl tokio::io::AsyncWrite + Unpin), bytes: &[u8]) {
    for byte in bytes {
        if to.write_all(&[*byte]).await.is_err() {
            return;
        }
        sleep(PAUSE).await;
    }
}
