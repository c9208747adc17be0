//! Takes connections, bounds their number and their patience, and lets them end in order.
//!
//! A connection is closed when a head or the next request keeps it waiting for too long. What is answered on it is
//! [`Api`]'s.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::exchange::Exchange;
use super::wire::{Activity, Phase, Wire, refusal};
use super::{Api, Config};
use crate::error::{Code, Error};

/// Largest head of a request, and thereby largest piece that is read at a time.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Requests at a time on an HTTP/2 connection; other nodes have many callers behind a few connections.
const STREAM_COUNT_MAX: u32 = 256;
/// How long a stream of events may take none of the bytes that it is offered: one that is read takes some with each
/// comment that keeps it alive.
const STREAM_PATIENCE: Duration = Duration::from_secs(45);
/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Pause after a connection could not be taken, as when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long the refusal of one connection too many may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// The HTTP side of a node: one listener and its connections.
#[derive(Debug)]
pub struct Server {
    api: Arc<Api>,
    listener: TcpListener,
    builder: Arc<Builder<TokioExecutor>>,
    places: Arc<Semaphore>,
}

impl Server {
    /// What answers with `api` on `listener`.
    #[must_use]
    pub fn new(api: Api, listener: TcpListener) -> Self {
        let places = Arc::new(Semaphore::new(api.config.connection_max));
        Self { api: Arc::new(api), listener, builder: Arc::new(builder()), places }
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests until `stop` is sent or its sender dropped, then lets what is under way end within `patience`.
    ///
    /// # Cancel safety
    /// Connections live on until their next request was answered.
    pub async fn run(self, mut stop: watch::Receiver<()>, patience: Duration) {
        let (closing, closed) = watch::channel(());
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.welcome(stream, &closed),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be taken");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                _ = stop.changed() => break,
            }
        }
        drop(closed);
        // Every connection holds a receiver, so that the channel is closed when the last one has ended.
        closing.send_replace(());
        if tokio::time::timeout(patience, closing.closed()).await.is_err() {
            tracing::warn!("connections were still open when their time was over");
        }
    }

    fn welcome(&self, stream: TcpStream, closed: &watch::Receiver<()>) {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                let (api, builder) = (Arc::clone(&self.api), Arc::clone(&self.builder));
                tokio::spawn(converse(api, builder, stream, closed.clone(), place));
            }
            Err(_) => drop(tokio::spawn(turn_away(stream))),
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

/// Serves one connection to its end.
async fn converse(
    api: Arc<Api>,
    builder: Arc<Builder<TokioExecutor>>,
    stream: TcpStream,
    mut closed: watch::Receiver<()>,
    place: OwnedSemaphorePermit,
) {
    // Without it a small answer may wait for the client's acknowledgement of the previous one.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::default());
    let wire = TokioIo::new(Wire::new(stream, Arc::clone(&activity)));
    let mut patience = Patience::new(Arc::clone(&activity), &api.config);
    let exchange = Exchange::new(Arc::clone(&activity), closed.clone(), Arc::new(place));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (api, answering) = (Arc::clone(&api), activity.begin_answer());
        request.extensions_mut().insert(exchange.clone());
        async move {
            let answer = api.answer(request).await;
            drop(answering);
            answer
        }
    });
    let mut connection = pin!(builder.serve_connection_with_upgrades(wire, service));
    let mut is_closing = false;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended badly");
                }
                break;
            }
            () = patience.is_over() => break,
            _ = closed.changed(), if !is_closing => {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// How long a connection may stay as it is.
struct Patience {
    activity: Arc<Activity>,
    seen: (Phase, u64),
    since: Instant,
    header_timeout: Duration,
    idle_timeout: Duration,
    look: tokio::time::Interval,
}

impl Patience {
    fn new(activity: Arc<Activity>, config: &Config) -> Self {
        let &Config { header_timeout, idle_timeout, .. } = config;
        // A limit is kept to a fifth of itself, for the price of a look now and then.
        let look = tokio::time::interval((header_timeout.min(idle_timeout) / 5).max(ACCEPT_PAUSE));
        let (seen, since) = (activity.observe(), Instant::now());
        Self { activity, seen, since, header_timeout, idle_timeout, look }
    }

    /// Returns when the client had its time. Cancel safe.
    async fn is_over(&mut self) {
        loop {
            let now = self.look.tick().await;
            let seen = self.activity.observe();
            if seen != self.seen {
                (self.seen, self.since) = (seen, now);
            }
            let limit = match seen.0 {
                Phase::Head => self.header_timeout,
                Phase::Request => self.idle_timeout,
                // The body and the call have limits of their own.
                Phase::Answer => continue,
                Phase::Stream => STREAM_PATIENCE,
            };
            if now.duration_since(self.since) >= limit {
                return;
            }
        }
    }
}

/// Tells a client that there is no place for it.
async fn turn_away(mut stream: TcpStream) {
    let text = "this node has as many connections as it may have; nothing was executed";
    let answer = refusal(Error::new(Code::NodeFull, text));
    let writing = async {
        stream.write_all(&answer).await?;
        stream.shutdown().await
    };
    // It is being turned away either way.
    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, writing).await;
}
