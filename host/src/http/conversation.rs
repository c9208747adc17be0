//! Serves one connection from its first byte to its last. [`Api`] handles the requests;
//! [`limit`](super::idle_timeout) enforces the timeouts.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use highlander_core::error::{Error, ErrorCode};
use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::connection::{ConnectionHandle, Stage};
use super::connection_io::{Activity, Wire};
use super::idle_timeout::{IdleTimeout, Verdict};
use super::problem::Problem;
use super::unsent::{Budget, Outbox};
use super::{Api, Reply, unread_body};

/// State shared by all connections.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) api: Api,
    pub(super) builder: Builder<TokioExecutor>,
    pub(super) budget: Arc<Budget>,
}

/// Serves one connection until it ends.
pub(super) async fn serve_connection(
    shared: Arc<Shared>,
    stream: TcpStream,
    mut stage: watch::Receiver<Stage>,
    place: OwnedSemaphorePermit,
) {
    // Otherwise Nagle's algorithm may hold back a small response until the client acknowledges the previous one.
    let _ = stream.set_nodelay(true);
    // A client that vanished without closing the connection acknowledges nothing. Without this timeout, TCP would
    // retransmit to it for a quarter of an hour.
    let write_timeout = shared.api.config.write_timeout;
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(write_timeout));
    let activity = Arc::new(Activity::default());
    let outbox = Outbox::new(&shared.budget);
    let mut limit = IdleTimeout::new(Arc::clone(&activity), outbox.clone(), &shared.api.config);
    let wire = TokioIo::new(Wire::new(stream, Arc::clone(&activity)));
    let exchange = ConnectionHandle::new(Arc::clone(&activity), stage.clone(), Arc::new(place));
    let of_requests = Arc::clone(&shared);
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, answering) = (Arc::clone(&of_requests), activity.begin_answer());
        let (exchange, outbox) = (exchange.clone(), outbox.clone());
        async move {
            let reply = answer(&shared.api, request, exchange, outbox).await;
            drop(answering);
            Ok::<_, Infallible>(reply)
        }
    });
    let mut connection = pin!(shared.builder.serve_connection_with_upgrades(wire, service));
    let (mut is_closing, mut is_finishing) = (false, false);
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended with an error");
                }
                break;
            }
            verdict = limit.is_over() => match verdict {
                Verdict::Finish if !is_finishing => {
                    is_finishing = true;
                    connection.as_mut().graceful_shutdown();
                }
                Verdict::Finish | Verdict::Stay => {}
                Verdict::Drop => break,
            },
            changed = stage.changed(), if !is_closing => {
                is_closing = changed.is_err() || *stage.borrow_and_update() == Stage::Closing;
                if is_closing {
                    limit.begin_closing();
                }
            }
        }
    }
}

/// Handles one request, if the client reads its responses.
async fn answer(
    api: &Api,
    mut request: Request<Incoming>,
    exchange: ConnectionHandle,
    outbox: Outbox,
) -> Reply {
    let (version, method) = (request.version(), request.method().clone());
    let awaits_continue = unread_body::awaits_continue(version, request.headers());
    let reply = if outbox.has_room().await {
        request.extensions_mut().insert(exchange.clone());
        let reply = match api.answer(request).await {
            Ok(reply) => reply,
            Err(never) => match never {},
        };
        sent_through(outbox, reply, &method).await
    } else {
        let text = "the client left too many responses on this connection unread; the request was not executed";
        Problem::from(Error::new(ErrorCode::NodeFull, text)).into_reply()
    };
    // A client that sends its body without waiting would send it where the next request is expected, so the
    // connection must be closed.
    let is_kept = awaits_continue && reply.status().as_u16() >= 400;
    let is_unread = is_kept || exchange.has_unread_body();
    told_to_leave(reply, version, is_unread || exchange.is_leaving())
}

/// Reserves room for the response and returns it, or an error to send in its place.
async fn sent_through(outbox: Outbox, reply: Reply, method: &Method) -> Reply {
    let bytes = reply.body().len();
    if bytes == 0 {
        return reply.map(|content| content.through(outbox, None));
    }
    if let Some(room) = outbox.reserve(bytes).await {
        return reply.map(|content| content.through(outbox, Some(room)));
    }
    let text = format!("the response of {bytes} bytes was not sent: too many others are unread");
    let code = if method.is_safe() { ErrorCode::NodeFull } else { ErrorCode::OutcomeUnknown };
    let error =
        Error::new(code, text).with_hint("read responses as they arrive, and repeat the request");
    Problem::from(error).into_reply().map(|content| content.through(outbox, None))
}

/// Adds `Connection: close` to the last response on a connection. HTTP/2 signals this on the protocol level.
fn told_to_leave(mut reply: Reply, version: Version, is_last: bool) -> Reply {
    let is_http1 = version < Version::HTTP_2;
    if is_last && is_http1 && reply.status() != StatusCode::SWITCHING_PROTOCOLS {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}
