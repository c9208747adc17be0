//! Closes a listener without losing connections that clients consider established.
//!
//! When a listener is closed, Linux resets the connections left in its queue, and every handshake whose last
//! packet arrives later. Therefore the queue is drained first, while a socket filter drops packets that would
//! start a new handshake. A client whose packet was dropped retries after a second, as after any packet loss, and
//! finds the port closed or the next process.
//!
//! Two cases are not covered: a handshake that takes longer than [`HANDSHAKE_TIME`], and, on systems without such
//! a filter, one that completes between the last `accept` and the close.

use std::io;
use std::time::Duration;

use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};

/// Time for handshakes in progress to complete.
const HANDSHAKE_TIME: Duration = Duration::from_millis(100);
/// Maximum number of connections accepted after that, in case new ones cannot be kept out.
const REST_COUNT_MAX: usize = 4096;

/// Passes every connection that the system has accepted to `take`, then closes the listener.
pub(super) async fn close(listener: TcpListener, mut take: impl FnMut(TcpStream)) {
    if let Err(error) = keep_out(&listener) {
        tracing::debug!(%error, "new connections cannot be prevented while the listener closes");
    }
    let deadline = Instant::now() + HANDSHAKE_TIME;
    while let Ok(accepted) = timeout_at(deadline, listener.accept()).await {
        match accepted {
            Ok((stream, _)) => take(stream),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted while the listener closes");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    // Accepts connections of which the runtime has not yet been notified.
    let rest = listener.into_std().and_then(|listener| take_rest(&listener, take));
    if let Err(error) = rest {
        tracing::warn!(%error, "connections may be lost because the listener is closed");
    }
}

fn take_rest(listener: &std::net::TcpListener, mut take: impl FnMut(TcpStream)) -> io::Result<()> {
    for _ in 0..REST_COUNT_MAX {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                take(TcpStream::from_std(stream)?);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Drops every packet that would start a connection. Packets that complete a handshake pass.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn keep_out(listener: &TcpListener) -> io::Result<()> {
    // Classic BPF over the TCP header: load the flags byte, and pass every packet without SYN.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const FLAGS_OFFSET: u32 = 13;
    const SYN: u32 = 0x02;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_OFFSET),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn keep_out(_: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpStream as Client};

    use super::*;

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn every_connection_in_the_queue_is_taken() {
        let (listener, address) = listener().await;
        let clients: Vec<_> = (0..50).map(|_| Client::connect(address).unwrap()).collect();
        let mut taken = Vec::new();
        close(listener, |stream| taken.push(stream)).await;
        assert_eq!(taken.len(), clients.len());
        assert!(Client::connect(address).is_err(), "the port is closed");
    }

    #[tokio::test]
    async fn whoever_was_connected_while_the_listener_closed_was_taken() {
        for _ in 0..3 {
            let (listener, address) = listener().await;
            let connecting: Vec<_> = (0..4)
                .map(|_| {
                    tokio::task::spawn_blocking(move || {
                        let mut connected = Vec::new();
                        while let Ok(client) = Client::connect(address) {
                            connected.push(client);
                        }
                        connected
                    })
                })
                .collect();
            let mut taken = vec![listener.accept().await.unwrap().0];
            close(listener, |stream| taken.push(stream)).await;
            let mut connected_count = 0;
            for client in connecting {
                connected_count += client.await.unwrap().len();
            }
            assert_eq!(taken.len(), connected_count);
        }
    }
}
