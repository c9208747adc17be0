//! Closes a listener without losing connections that clients consider established.
//!
//! When a listener is closed, Linux resets the connections left in its queue, and every handshake whose last
//! packet arrives later. Therefore the queue is drained first, while a socket filter drops packets that would
//! start a new handshake. A client whose packet was dropped retries after a second, as after any packet loss, and
//! finds the port closed or the next process.
//!
//! Two cases are not covered: a handshake that takes longer than [`HANDSHAKE_TIME_MAX`], and, on systems without such
//! a filter, one that completes between the last `accept` and the close.

use std::io;
use std::time::Duration;

use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};

/// Time for handshakes in progress to complete.
const HANDSHAKE_TIME: Duration = Duration::from_millis(100);
/// Maximum time for handshakes that the system still lists as in progress after that. While the queue is full, Linux
/// drops the last packet of a handshake, although the client considers the connection established. It sends its own
/// packet again after a second (`TCP_TIMEOUT_INIT`), and the client then completes the handshake.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(2);
/// Maximum number of connections accepted after that, in case new ones cannot be kept out.
const REST_COUNT_MAX: usize = 4096;

/// Passes every connection that the system has accepted to `take`, then closes the listener.
pub(super) async fn close(listener: TcpListener, mut take: impl FnMut(TcpStream)) {
    if let Err(error) = keep_out(&listener) {
        tracing::debug!(%error, "new connections cannot be prevented while the listener closes");
    }
    let port = listener.local_addr().map_or(0, |address| address.port());
    let begin = Instant::now();
    accept_until(begin + HANDSHAKE_TIME, &listener, &mut take).await;
    while begin.elapsed() < HANDSHAKE_TIME_MAX && has_handshakes(port) {
        accept_until(Instant::now() + HANDSHAKE_TIME, &listener, &mut take).await;
    }
    // Accepts connections of which the runtime has not yet been notified.
    let rest = listener.into_std().and_then(|listener| take_rest(&listener, take));
    if let Err(error) = rest {
        tracing::warn!(%error, "connections may be lost because the listener is closed");
    }
}

async fn accept_until(deadline: Instant, listener: &TcpListener, take: &mut impl FnMut(TcpStream)) {
    while let Ok(accepted) = timeout_at(deadline, listener.accept()).await {
        match accepted {
            Ok((stream, _)) => take(stream),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted while the listener closes");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
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

/// Whether the system lists handshakes in progress on a port. Reports none if the list cannot be read.
fn has_handshakes(port: u16) -> bool {
    let lists = ["/proc/net/tcp", "/proc/net/tcp6"].map(std::fs::read_to_string);
    lists.iter().flatten().any(|list| lists_handshake(list, port))
}

/// Whether a list of the kernel (proc_net_tcp: number, local address, remote address, state, all in hexadecimal digits)
/// has a connection of this local port in the state `SYN_RECV`.
fn lists_handshake(list: &str, port: u16) -> bool {
    const SYN_RECV: &str = "03";
    let port = format!(":{port:04X}");
    list.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let is_local = fields.next().is_some_and(|local| local.ends_with(&port));
        is_local && fields.nth(1) == Some(SYN_RECV)
    })
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

    #[test]
    fn handshakes_are_read_from_the_list_of_the_kernel() {
        let list = "  sl  local_address rem_address   st tx_queue rx_queue\n\
                    \x20  0: 0100007F:1CF2 00000000:0000 0A 00000000:00000000\n\
                    \x20  1: 0100007F:1CF2 0100007F:D2F0 03 00000000:00000000\n\
                    \x20  2: 0100007F:1CF3 0100007F:1CF4 01 00000000:00000000\n";
        assert!(lists_handshake(list, 0x1cf2));
        assert!(!lists_handshake(list, 0x1cf3), "it is established");
        assert!(!lists_handshake(list, 0xd2f0), "it is the port of the client");
        assert!(!lists_handshake("", 0x1cf2));
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
