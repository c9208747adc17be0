//! A TCP link that can be cut and healed: what stands between two parts of a cluster in a test of faults.
//!
//! A link listens on a free port of 127.0.0.1 and passes everything on to its target. What it does to the bytes can be
//! changed at any time, for open connections and new ones alike. A cut link behaves as a network does that loses every
//! packet: nothing is closed, nothing is delivered, and what was sent meanwhile arrives when the link is healed, if its
//! sender still waits. It knows no protocol above TCP, and does not reorder or repeat anything.

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

/// How many ports are tried.
const BIND_ATTEMPTS_MAX: usize = 20;

/// What a link does with bytes and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Everything passes.
    #[default]
    Open,
    /// Nothing passes, and nobody is told.
    Cut,
    /// Nothing passes towards the target, and everything back.
    CutTowards,
    /// Nothing passes back from the target, and everything towards it.
    CutFrom,
    /// Every connection is broken, and nobody listens: as if the target's process had ended.
    Refuse,
    /// Everything arrives this much later, in both directions.
    Delay(Duration),
    /// So many bytes pass in a second, in each direction of each connection.
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
            Self::CutFrom => direction == Direction::Towards,
        }
    }

    fn delay(self) -> Duration {
        if let Self::Delay(delay) = self { delay } else { Duration::ZERO }
    }

    /// How long this many bytes take to pass.
    fn time_of(self, bytes: usize) -> Duration {
        let Self::Throttle(bytes_per_second) = self else { return Duration::ZERO };
        let nanoseconds = (bytes as u64).saturating_mul(1_000_000_000) / bytes_per_second.max(1);
        Duration::from_nanos(nanoseconds)
    }
}

/// What every connection of a link looks at.
#[derive(Debug, Clone, Copy, Default)]
struct Control {
    mode: Mode,
    target: Option<SocketAddr>,
    /// How often all connections were reset.
    reset_count: u64,
}

/// What passed a link until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connections that were made to it.
    pub connections: u64,
    /// Those that are open now.
    pub open_connections: u64,
    /// Bytes that were delivered to the target.
    pub bytes_towards: u64,
    /// Bytes that were delivered back.
    pub bytes_from: u64,
}

#[derive(Debug, Default)]
struct Meters {
    connections: AtomicU64,
    open_connections: AtomicU64,
    bytes_towards: AtomicU64,
    bytes_from: AtomicU64,
}

/// A link. It ends, with all its connections, when the value is dropped.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    control: watch::Sender<Control>,
    meters: Arc<Meters>,
    acceptor: AbortHandle,
}

impl Link {
    /// A link to `target` on a free port, open.
    ///
    /// # Errors
    /// Where no port can be had.
    ///
    /// # Panics
    /// Outside a tokio runtime, on which the link lives.
    pub async fn to(target: SocketAddr) -> io::Result<Self> {
        Self::with_target(Some(target)).await
    }

    /// A link to nobody yet, which closes every connection until it is [aimed](Self::aim).
    ///
    /// # Errors
    /// Where no port can be had.
    ///
    /// # Panics
    /// Outside a tokio runtime, on which the link lives.
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

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections to another target.
    pub fn aim(&self, target: SocketAddr) {
        self.control.send_modify(|control| control.target = Some(target));
    }

    /// What it does from now on.
    pub fn set(&self, mode: Mode) {
        self.control.send_modify(|control| control.mode = mode);
    }

    /// Loses everything from now on, in both directions.
    pub fn cut(&self) {
        self.set(Mode::Cut);
    }

    /// Lets everything pass again.
    pub fn heal(&self) {
        self.set(Mode::Open);
    }

    /// Breaks every open connection with a TCP reset; new ones are as the mode says.
    pub fn reset(&self) {
        self.control.send_modify(|control| control.reset_count += 1);
    }

    /// What it does now.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.control.borrow().mode
    }

    /// What passed until now.
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

impl Drop for Link {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

/// Listens at a port that no outgoing connection takes while the link refuses.
async fn listen() -> io::Result<TcpListener> {
    let mut attempt = 1;
    loop {
        let ports = ports::free(1).map_err(io::Error::other)?;
        let port = ports.first().copied().unwrap_or_default();
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            // Others look for free ports too, and try each for a moment.
            Err(_) if attempt < BIND_ATTEMPTS_MAX => attempt += 1,
            outcome => return outcome,
        }
    }
}

/// Takes connections until it is aborted, which ends them all.
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
        // What is broken is one connection, or the process has no more descriptors for a moment.
        let Ok((near, _)) = near else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        meters.connections.fetch_add(1, Ordering::Relaxed);
        connections.spawn(pass(near, control.clone(), Arc::clone(&meters)));
    }
}

async fn refusal(control: &mut watch::Receiver<Control>) {
    // An error is the end of the link, which aborts this task.
    let _ = control.wait_for(|control| control.mode == Mode::Refuse).await;
}

/// Listens at the same port, once the link is not to refuse any more.
async fn listen_again(
    address: SocketAddr,
    control: &mut watch::Receiver<Control>,
) -> Option<TcpListener> {
    loop {
        let _ = control.wait_for(|control| control.mode != Mode::Refuse).await.ok()?;
        match TcpListener::bind(address).await {
            Ok(listener) => return Some(listener),
            // Somebody may have it for a moment.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn pass(near: TcpStream, control: watch::Receiver<Control>, meters: Arc<Meters>) {
    meters.open_connections.fetch_add(1, Ordering::Relaxed);
    let open = Open(meters);
    connection::run(near, control, &open.0).await;
}

/// One open connection, for as long as it is counted.
struct Open(Arc<Meters>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open_connections.fetch_sub(1, Ordering::Relaxed);
    }
}
