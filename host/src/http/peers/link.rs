//! Connection pool for one node.
//!
//! A further connection is used only if the earlier ones are busy, so that requests share system calls. Each
//! connection starts with a greeting request. It proves that a node responds, and not only a proxy whose node is
//! gone or the kernel of a frozen node. Connections are pinged even when idle, so that the other node does not
//! close one just as it is used.
//!
//! A cut link is detected within a few seconds, because nothing is acknowledged on it. A paused node is waited
//! for: its kernel acknowledges data that the node has not read, and the node may resume before its lease expires.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use highlander_core::clock::BootTime;
use highlander_system::clock;
use http::response::Parts;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::super::request_body;
use super::address::Address;
use super::request::Outgoing;
use crate::router::peers::Failure;

/// Maximum time until the greeting is answered.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const GREETING_BYTES_MAX: usize = 1024;
/// Time after a failed connection attempt during which no other attempt is made.
const TROUBLE_PAUSE: Duration = Duration::from_millis(200);
const PING_INTERVAL: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum time for which sent data may stay unacknowledged.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum number of bytes in transit and unread, per response and per connection.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

type Sender = SendRequest<Full<Bytes>>;

/// Size of the connection pool for one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Maximum number of connections.
    pub(super) connection_count: usize,
    /// Number of requests in progress on a connection at which the next connection is used.
    pub(super) spill_count: usize,
}

/// All connections to one address, for one purpose.
#[derive(Debug)]
pub(super) struct Link {
    address: Address,
    shape: Shape,
    connections: Box<[Arc<Connection>]>,
    /// Time and cause of the last failed connection attempt.
    trouble: Mutex<Option<(BootTime, String)>>,
}

#[derive(Debug, Default)]
pub(super) struct Connection {
    sender: Mutex<Option<Sender>>,
    /// Held while the connection is being established.
    making: tokio::sync::Mutex<()>,
    under_way: AtomicUsize,
}

/// Counts a request as in progress on a connection while it lives.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Connection>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    fn open(&self) -> Option<Sender> {
        self.sender.lock().as_ref().filter(|sender| !sender.is_closed()).cloned()
    }
}

impl Link {
    pub(super) fn new(address: Address, shape: Shape) -> Self {
        // At least one, which is the fallback.
        let connections = (0..shape.connection_count.max(1)).map(|_| Arc::default()).collect();
        Self { address, shape, connections, trouble: Mutex::default() }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Whether any connection is open.
    pub(super) fn is_open(&self) -> bool {
        self.connections.iter().any(|connection| connection.open().is_some())
    }

    /// Sends a request and reads the whole response, of at most `bytes_max`, until `until`.
    pub(super) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        until: BootTime,
        bytes_max: usize,
    ) -> Result<(Parts, Bytes), Failure> {
        let (response, _under_way) = self.begin(request, until).await?;
        let limit = until.since(clock::now());
        tokio::time::timeout(limit, whole(response, bytes_max)).await.unwrap_or_else(|_| late())
    }

    /// Sends a request and waits for the head of the response until `until`. The request counts as in progress
    /// until the returned guard is dropped.
    pub(super) async fn begin(
        &self,
        request: Request<Full<Bytes>>,
        until: BootTime,
    ) -> Result<(Response<Incoming>, UnderWay), Failure> {
        let connection = self.choose();
        let under_way = connection.begin();
        let mut request = request;
        // The other node may close a connection just as it is used. In that case, a new connection is tried once.
        for _ in 0..2 {
            let mut sender = self.sender(connection, until).await.map_err(Failure::NotSent)?;
            let limit = until.since(clock::now());
            let answering = sender.try_send_request(request);
            let Ok(answered) = tokio::time::timeout(limit, answering).await else {
                return late();
            };
            match answered {
                Ok(response) => return Ok((response, under_way)),
                Err(mut error) => match error.take_message() {
                    Some(returned) => request = returned,
                    None => return Err(failure(&error.into_error())),
                },
            }
        }
        Err(Failure::NotSent("is closing its connections".to_owned()))
    }

    /// Returns the first connection that is not busy, or else the least busy one.
    fn choose(&self) -> &Arc<Connection> {
        let load = |connection: &&Arc<Connection>| connection.under_way.load(Ordering::Relaxed);
        let mut connections = self.connections.iter();
        let free = connections.find(|connection| load(connection) < self.shape.spill_count);
        let chosen = free.or_else(|| self.connections.iter().min_by_key(load));
        chosen.expect("a link has at least one connection")
    }

    async fn sender(&self, connection: &Connection, until: BootTime) -> Result<Sender, String> {
        if let Some(sender) = connection.open() {
            return Ok(sender);
        }
        let limit = CONNECT_TIMEOUT.min(until.since(clock::now()));
        let making = async {
            let _making = connection.making.lock().await;
            if let Some(sender) = connection.open() {
                return Ok(sender);
            }
            if let Some(why) = self.recent_trouble() {
                return Err(why);
            }
            // The attempt has a separate timeout, so that a caller with a short deadline does not record a failure
            // of the node.
            let made = tokio::time::timeout(CONNECT_TIMEOUT, connect(&self.address)).await;
            let made =
                made.unwrap_or_else(|_| Err("did not accept the connection in time".to_owned()));
            match made {
                Ok(sender) => {
                    *self.trouble.lock() = None;
                    *connection.sender.lock() = Some(sender.clone());
                    Ok(sender)
                }
                Err(why) => {
                    *self.trouble.lock() = Some((clock::now(), why.clone()));
                    Err(why)
                }
            }
        };
        // Waits a little longer than an attempt takes, so that the attempt's own error is returned.
        let waited = tokio::time::timeout(limit + TROUBLE_PAUSE, making).await;
        waited.unwrap_or_else(|_| Err("did not accept the connection in time".to_owned()))
    }

    fn recent_trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        let (since, why) = trouble.as_ref()?;
        (clock::now().since(*since) < TROUBLE_PAUSE).then(|| why.clone())
    }
}

async fn connect(address: &Address) -> Result<Sender, String> {
    let connecting = TcpStream::connect((&*address.host, address.port));
    let stream = connecting.await.map_err(|error| format!("cannot be reached: {error}"))?;
    // Otherwise Nagle's algorithm may hold back a small request until the previous one is acknowledged.
    let _ = stream.set_nodelay(true);
    // If this fails, only the ping detects a broken connection, which takes longer.
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(ACKNOWLEDGE_TIMEOUT));
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true);
    let handshake = builder.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) =
        handshake.map_err(|error| format!("failed the HTTP/2 handshake: {error}"))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to another node ended with an error");
        }
    });
    let greeting = sender.send_request(Outgoing::greeting().addressed(address));
    let greeted = greeting.await.map_err(|error| format!("does not respond: {error}"))?;
    // The status does not matter. The body is read to its end, so that nothing of it is left on the connection.
    let _ = request_body::collect(&mut greeted.into_body(), GREETING_BYTES_MAX).await;
    Ok(sender)
}

fn late<T>() -> Result<T, Failure> {
    Err(Failure::Interrupted("did not respond in time".to_owned()))
}

async fn whole(response: Response<Incoming>, bytes_max: usize) -> Result<(Parts, Bytes), Failure> {
    let (parts, mut incoming) = response.into_parts();
    let collected = request_body::collect(&mut incoming, bytes_max).await;
    let body = collected.map_err(|error| {
        Failure::Interrupted(format!("sent a response that cannot be read: {error}"))
    })?;
    Ok((parts, body))
}

/// Determines from an error whether the node may have processed the request.
///
/// A node that closes a connection names the last request that it processed (`GOAWAY`). A node that refuses a
/// stream does so before processing it. Any other end of a connection or a request proves nothing.
fn failure(error: &hyper::Error) -> Failure {
    let source = std::error::Error::source(error);
    let cause = source.and_then(|source| source.downcast_ref::<h2::Error>());
    let is_unseen = cause.is_some_and(|cause| {
        let is_refused = cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
        cause.is_remote() && (is_refused || cause.is_go_away())
    });
    match cause {
        Some(cause) if is_unseen => Failure::NotSent(format!("rejected the request: {cause}")),
        Some(cause) => Failure::Interrupted(format!("interrupted the request: {cause}")),
        None => Failure::Interrupted(format!("interrupted the request: {error}")),
    }
}
