//! Takes connections, bounds their number, and lets them end in order.
//!
//! What goes on in a connection is [`conversation`](super::conversation)'s, what is answered on it [`Api`]'s.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::conversation::{Shared, converse};
pub use super::exchange::Stage;
use super::unsent::Budget;
use super::wire::{Wire, refusal};
use super::{Api, backlog};
use crate::error::{Code, Error};

/// Largest head of a request, and thereby largest piece that is read at a time.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Requests at a time on an HTTP/2 connection; other nodes have many callers behind a few connections.
const STREAM_COUNT_MAX: u32 = 256;
/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Pause after a connection could not be taken, as when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long the refusal of one connection too many may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections that are being refused at a time. Those past it are closed without a word.
const REFUSAL_COUNT_MAX: usize = 256;

/// The HTTP side of a node: one listener and its connections.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    entry: Entry,
}

/// Where connections come in.
#[derive(Debug)]
struct Entry {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

impl Server {
    /// What answers with `api` on `listener`.
    #[must_use]
    pub fn new(api: Api, listener: TcpListener) -> Self {
        let places = Arc::new(Semaphore::new(api.config.connection_max));
        let refusals = Arc::new(Semaphore::new(REFUSAL_COUNT_MAX));
        let (node, connection) = (api.config.unsent_max, api.config.unsent_connection_max);
        let budget = Arc::new(Budget::new(node, connection));
        let shared = Arc::new(Shared { api, builder: builder(), budget });
        Self { listener, entry: Entry { shared, places, refusals } }
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests until `stage` is [`Stage::Closing`] or its sender dropped. Then the listener is closed at once,
    /// and what is under way on connections ends within `patience`.
    ///
    /// # Cancel safety
    /// Connections live on until their next request was answered.
    pub async fn run(self, mut stage: watch::Receiver<Stage>, patience: Duration) {
        let Self { listener, entry } = self;
        let (telling, told) = watch::channel(*stage.borrow());
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => entry.welcome(stream, &told),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be taken");
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
        // Whoever connects meanwhile is told to go elsewhere with the next request.
        telling.send_replace(Stage::Leaving);
        backlog::close(listener, |stream| entry.welcome(stream, &told)).await;
        drop(told);
        // Every connection holds a receiver, so that the channel is closed when the last one has ended.
        telling.send_replace(Stage::Closing);
        if tokio::time::timeout(patience, telling.closed()).await.is_err() {
            tracing::warn!("connections were still open when their time was over");
        }
    }
}

impl Entry {
    fn welcome(&self, stream: TcpStream, stage: &watch::Receiver<Stage>) {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                drop(tokio::spawn(converse(
                    Arc::clone(&self.shared),
                    stream,
                    stage.clone(),
                    place,
                )));
            }
            Err(_) => {
                if let Ok(refusing) = Arc::clone(&self.refusals).try_acquire_owned() {
                    tokio::spawn(async move {
                        let text = "this node has as many connections as it may have; nothing was executed";
                        turn_away(stream, Error::new(Code::NodeFull, text)).await;
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
        // hyper's own limit counts the pause between two requests as part of the second one's head.
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

/// Closes a listener of a node that ends before it has begun. Who has connected is told to go elsewhere.
pub async fn close_unused(listener: TcpListener) {
    let mut refusing = JoinSet::new();
    let refuse = |stream| {
        if refusing.len() < REFUSAL_COUNT_MAX {
            let text = "the node was stopped before it had begun; nothing was executed";
            refusing.spawn(turn_away(stream, Error::new(Code::Draining, text)));
        }
    };
    backlog::close(listener, refuse).await;
    while refusing.join_next().await.is_some() {}
}

/// Tells a client why it is not served.
async fn turn_away(stream: TcpStream, error: Error) {
    let answer = refusal(error);
    let mut wire = Wire::new(stream, Arc::default());
    let writing = async {
        wire.write_all(&answer).await?;
        wire.shutdown().await
    };
    // It is being turned away either way.
    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, writing).await;
}
