//! A TCP link that can be cut and healed: a fault proxy between two parts of a cluster.
//!
//! A link listens on a free port of 127.0.0.1 and forwards everything to its target. Its mode can change at any
//! time, and applies to open and new connections alike. A cut link behaves like a network that loses every packet:
//! no connection closes and no byte arrives. Bytes sent while it is cut arrive after it is healed, if the sender
//! still waits. A link works at the level of TCP, and never reorders or repeats bytes.

mod connection;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::ports;

/// Limit of attempts to bind a port.
const BIND_ATTEMPTS_MAX: usize = 20;

/// Treatment of bytes and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Everything passes.
    #[default]
    Open,
    /// Nothing passes, and neither side is notified.
    Cut,
    /// Nothing passes towards the target; everything passes back.
    CutTowards,
    /// Nothing passes back from the target; everything passes towards it.
    DropResponses,
    /// Every connection breaks and no listener remains, as if the target's process had ended.
    Refuse,
    /// Everything arrives this much later, in both directions.
    Delay(Duration),
    /// Bandwidth in bytes per second, in each direction of each connection.
    Throttle(u64),
}

/// One of the two directions of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Towards,
    From,
}

impl Mode {
    fn passes(self, direction: Direction) -> bool {
        match self {
            Self::Open | Self::Delay(_) | Self::Throttle(_) => true,
            Self::Cut | Self::Refuse => false,
            Self::CutTowards => direction == Direction::From,
            Self::DropResponses => direction == Direction::Towards,
        }
    }

    fn delay(self) -> Duration {
        if let Self::Delay(delay) = self { delay } else { Duration::ZERO }
    }

    /// Returns the time that this many bytes take to pass.
    fn time_of(self, bytes: usize) -> Duration {
        let Self::Throttle(bytes_per_second) = self else { return Duration::ZERO };
        let nanoseconds = (bytes as u64).saturating_mul(1_000_000_000) / bytes_per_second.max(1);
        Duration::from_nanos(nanoseconds)
    }
}

/// State of a link that all its connections observe.
#[derive(Debug, Clone, Copy, Default)]
struct Control {
    mode: Mode,
    target: Option<SocketAddr>,
    /// Number of resets of all connections.
    reset_count: u64,
}

/// Traffic of a link so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Connections currently open.
    pub open_connections: u64,
    /// Bytes delivered to the target.
    pub bytes_towards: u64,
    /// Bytes delivered back.
    pub bytes_from: u64,
}

#[derive(Debug, Default)]
struct Meters {
    connections: AtomicU64,
    open_connections: AtomicU64,
    bytes_towards: AtomicU64,
    bytes_from: AtomicU64,
}

/// A link. Dropping it ends the link and all its connections.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    control: watch::Sender<Control>,
    meters: Arc<Meters>,
    acceptor: AbortHandle,
}

impl FaultProxy {
    /// Opens a link to `target` on a free port.
    ///
    /// # Errors
    /// If no port is available.
    ///
    /// # Panics
    /// Outside a tokio runtime, on which the link runs.
    pub async fn to(target: SocketAddr) -> io::Result<Self> {
        Self::with_target(Some(target)).await
    }

    /// Opens a link without a target, which closes every connection until it is [aimed](Self::aim).
    ///
    /// # Errors
    /// If no port is available.
    ///
    /// # Panics
    /// Outside a tokio runtime, on which the link runs.
    pub async fn unaimed() -> io::Result<Self> {
        Self::with_target(None).await
    }

    async fn with_target(target: Option<SocketAddr>) -> io::Result<Self> {
        let listener = listen().await?;
        let address = listener.local_addr()?;
        let (control, changes) = watch::channel(Control { target, ..Control::default() });
        let meters = Arc::<Meters>::default();
        let acceptor = tokio::spawn(accept(listener, changes, Arc::clone(&meters))).abort_handle();
        Ok(Self { address, control, meters, acceptor })
    }

    /// Returns the address of the listener.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Directs new connections to another target.
    pub fn aim(&self, target: SocketAddr) {
        self.control.send_modify(|control| control.target = Some(target));
    }

    /// Sets the mode.
    pub fn set(&self, mode: Mode) {
        self.control.send_modify(|control| control.mode = mode);
    }

    /// Drops everything in both directions from now on.
    pub fn cut(&self) {
        self.set(Mode::Cut);
    }

    /// Lets everything pass again.
    pub fn heal(&self) {
        self.set(Mode::Open);
    }

    /// Breaks every open connection with a TCP reset; new ones follow the mode.
    pub fn reset(&self) {
        self.control.send_modify(|control| control.reset_count += 1);
    }

    /// Returns the current mode.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.control.borrow().mode
    }

    /// Returns the traffic so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Meters { connections, open_connections, bytes_towards, bytes_from } = &*self.meters;
        Counts {
            connections: connections.load(Ordering::Relaxed),
            open_connections: open_connections.load(Ordering::Relaxed),
            bytes_towards: bytes_towards.load(Ordering::Relaxed),
            bytes_from: bytes_from.load(Ordering::Relaxed),
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

/// Listens on a port that no outgoing connection can take while the link refuses connections.
async fn listen() -> io::Result<TcpListener> {
    let mut attempt = 1;
    loop {
        let ports = ports::free(1).map_err(io::Error::other)?;
        let port = ports.first().copied().unwrap_or_default();
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            // Other processes also search for free ports, and bind each for a moment.
            Err(_) if attempt < BIND_ATTEMPTS_MAX => attempt += 1,
            outcome => return outcome,
        }
    }
}

/// Accepts connections until the task is aborted, which ends all of them.
async fn accept(
    mut listener: TcpListener,
    mut control: watch::Receiver<Control>,
    meters: Arc<Meters>,
) {
    let Ok(address) = listener.local_addr() else { return };
    let mut refusals = control.clone();
    let mut connections = JoinSet::new();
    loop {
        let near = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = refusal(&mut refusals) => {
                drop(listener);
                let Some(again) = listen_again(address, &mut control).await else { return };
                listener = again;
                continue;
            }
        };
        // A single connection failed, or the process is out of file descriptors for a moment.
        let Ok((near, _)) = near else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        meters.connections.fetch_add(1, Ordering::Relaxed);
        connections.spawn(pass(near, control.clone(), Arc::clone(&meters)));
    }
}

async fn refusal(control: &mut watch::Receiver<Control>) {
    // An error means the end of the link, which aborts this task.
    let _ = control.wait_for(|control| control.mode == Mode::Refuse).await;
}

/// Listens on the same port again, once the link no longer refuses connections.
async fn listen_again(
    address: SocketAddr,
    control: &mut watch::Receiver<Control>,
) -> Option<TcpListener> {
    loop {
        let _ = control.wait_for(|control| control.mode != Mode::Refuse).await.ok()?;
        match TcpListener::bind(address).await {
            Ok(listener) => return Some(listener),
            // Another process may hold the port for a moment.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn pass(near: TcpStream, control: watch::Receiver<Control>, meters: Arc<Meters>) {
    meters.open_connections.fetch_add(1, Ordering::Relaxed);
    let open = Open(meters);
    connection::run(near, control, &open.0).await;
}

/// Guard that counts an open connection.
struct Open(Arc<Meters>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open_connections.fetch_sub(1, Ordering::Relaxed);
    }
}
