//! HTTP server: accepts connections, limits their number, and shuts them down gracefully.
//!
//! [`conversation`](super::conversation) serves a single connection, [`Api`] its requests.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use highlander_core::error::{Error, ErrorCode};
use highlander_core::memory::MemoryKind;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

pub use super::connection::Stage;
use super::connection_io::{Wire, refusal};
use super::conversation::{Shared, serve_connection};
use super::unsent::Budget;
use super::{Api, backlog};

/// Maximum size of a request's head, and therefore of a single read.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Maximum number of concurrent requests on an HTTP/2 connection. Another node multiplexes many callers over a few
/// connections.
const STREAM_COUNT_MAX: u32 = 256;
/// Interval between pings to an HTTP/2 client, and the time it has to answer one.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Pause after a failed `accept`, for example when no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Maximum time for rejecting a connection above the limit.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum number of connections being rejected concurrently. Further ones are closed without a response.
const REFUSAL_COUNT_MAX: usize = 256;

/// Interval at which the bytes of unread responses are measured.
const MEASUREMENT_INTERVAL: Duration = Duration::from_millis(500);

/// The HTTP side of a node: one listener and its connections.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    entry: Entry,
}

/// Admission of new connections.
#[derive(Debug)]
struct Entry {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

impl Server {
    /// Creates a server that handles requests on `listener` with `api`.
    #[must_use]
    pub fn new(api: Api, listener: TcpListener) -> Self {
        let places = Arc::new(Semaphore::new(api.config.connection_max));
        let refusals = Arc::new(Semaphore::new(REFUSAL_COUNT_MAX));
        let (node, connection) = (api.config.unsent_max, api.config.unsent_connection_max);
        let budget = Arc::new(Budget::new(node, connection));
        let shared = Arc::new(Shared { api, builder: builder(), budget });
        Self { listener, entry: Entry { shared, places, refusals } }
    }

    /// Returns the address of the listener.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves requests until `stage` becomes [`Stage::Closing`] or its sender is dropped. Then the listener is
    /// closed immediately, and open connections have `limit` to finish their requests.
    ///
    /// # Cancel safety
    /// Dropping the future drops the listener without draining its queue. Open connections close as in
    /// [`Stage::Closing`].
    pub async fn run(self, mut stage: watch::Receiver<Stage>, limit: Duration) {
        let Self { listener, entry } = self;
        let (telling, told) = watch::channel(*stage.borrow());
        let mut measurements = tokio::time::interval(MEASUREMENT_INTERVAL);
        measurements.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = measurements.tick() => entry.shared.measure(),
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => entry.accept(stream, &told),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                changed = stage.changed() => {
                    let now = *stage.borrow_and_update();
                    if changed.is_err() || now == Stage::Closing {
                        break;
                    }
                    telling.send_replace(now);
                }
            }
        }
        // Clients that connect from now on are directed to another node by the response to their next request.
        telling.send_replace(Stage::Leaving);
        backlog::close(listener, |stream| entry.accept(stream, &told)).await;
        drop(told);
        // Every connection holds a receiver, so the channel closes when the last connection has ended.
        telling.send_replace(Stage::Closing);
        if tokio::time::timeout(limit, telling.closed()).await.is_err() {
            tracing::warn!("connections were still open after the shutdown timeout");
        }
    }
}

impl Shared {
    /// Counts the unread responses in the memory of the node. Each response alone would cost every call some time.
    fn measure(&self) {
        self.api.router.node().memory().set(MemoryKind::Buffers, self.budget.used());
    }
}

impl Entry {
    fn accept(&self, stream: TcpStream, stage: &watch::Receiver<Stage>) {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                drop(tokio::spawn(serve_connection(
                    Arc::clone(&self.shared),
                    stream,
                    stage.clone(),
                    place,
                )));
            }
            Err(_) => {
                if let Ok(refusing) = Arc::clone(&self.refusals).try_acquire_owned() {
                    tokio::spawn(async move {
                        let text = "this node has the maximum number of connections; the request was not executed";
                        reject(stream, Error::new(ErrorCode::NodeFull, text)).await;
                        drop(refusing);
                    });
                }
            }
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // hyper's own timeout counts the pause between two requests towards the head of the second one.
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAM_COUNT_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL);
    builder
}

/// Closes the listener of a node that stops before it has started serving. Clients that have already connected get
/// an error that directs them to another node.
pub async fn close_unused(listener: TcpListener) {
    let mut refusing = JoinSet::new();
    let refuse = |stream| {
        if refusing.len() < REFUSAL_COUNT_MAX {
            let text = "the node stopped before it accepted requests; the request was not executed";
            refusing.spawn(reject(stream, Error::new(ErrorCode::Draining, text)));
        }
    };
    backlog::close(listener, refuse).await;
    while refusing.join_next().await.is_some() {}
}

/// Rejects a connection with an error response.
async fn reject(stream: TcpStream, error: Error) {
    let answer = refusal(error);
    let mut wire = Wire::new(stream, Arc::default());
    let writing = async {
        wire.write_all(&answer).await?;
        wire.shutdown().await
    };
    // The client is rejected whether or not the response reaches it.
    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, writing).await;
}
