//! One connection from its first byte to its last: its requests are [`Api`]'s, and how long it may stay as it is
//! [`patience`](super::patience)'s.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::exchange::{Exchange, Stage};
use super::patience::{Patience, Verdict};
use super::problem::Problem;
use super::unsent::{Budget, Outbox};
use super::wire::{Activity, Wire};
use super::{Api, Reply, announced};
use crate::error::{Code, Error};

/// What connections have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) api: Api,
    pub(super) builder: Builder<TokioExecutor>,
    pub(super) budget: Arc<Budget>,
}

/// Serves one connection to its end.
pub(super) async fn converse(
    shared: Arc<Shared>,
    stream: TcpStream,
    mut stage: watch::Receiver<Stage>,
    place: OwnedSemaphorePermit,
) {
    // Without it a small answer may wait for the client's acknowledgement of the previous one.
    let _ = stream.set_nodelay(true);
    // A client that is gone without a word acknowledges nothing. What it is sent would otherwise be sent again for a
    // quarter of an hour.
    let write_timeout = shared.api.config.write_timeout;
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(write_timeout));
    let activity = Arc::new(Activity::default());
    let outbox = Outbox::new(&shared.budget);
    let mut patience = Patience::new(Arc::clone(&activity), outbox.clone(), &shared.api.config);
    let wire = TokioIo::new(Wire::new(stream, Arc::clone(&activity)));
    let exchange = Exchange::new(Arc::clone(&activity), stage.clone(), Arc::new(place));
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
                    tracing::debug!(%error, "a connection ended badly");
                }
                break;
            }
            verdict = patience.is_over() => match verdict {
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
                    patience.begin_closing();
                }
            }
        }
    }
}

/// Answers one request, if its client reads its answers.
async fn answer(
    api: &Api,
    mut request: Request<Incoming>,
    exchange: Exchange,
    outbox: Outbox,
) -> Reply {
    let (version, method) = (request.version(), request.method().clone());
    let awaits_continue = announced::awaits_continue(version, request.headers());
    let reply = if outbox.has_room().await {
        request.extensions_mut().insert(exchange.clone());
        let reply = match api.answer(request).await {
            Ok(reply) => reply,
            Err(never) => match never {},
        };
        sent_through(outbox, reply, &method).await
    } else {
        let text = "the client leaves its answers on this connection unread; nothing was executed";
        Problem::from(Error::new(Code::NodeFull, text)).into_reply()
    };
    // A client that does not wait after all would send its body where the next request is expected.
    let is_unread = awaits_continue && reply.status().as_u16() >= 400;
    told_to_leave(reply, version, is_unread || exchange.is_leaving())
}

/// The answer with room for it, or what is sent in its place.
async fn sent_through(outbox: Outbox, reply: Reply, method: &Method) -> Reply {
    let bytes = reply.body().len();
    if bytes == 0 {
        return reply.map(|content| content.through(outbox, None));
    }
    if let Some(room) = outbox.reserve(bytes).await {
        return reply.map(|content| content.through(outbox, Some(room)));
    }
    let text = format!("the answer of {bytes} bytes is not sent: too many others were left unread");
    let code = if method.is_safe() { Code::NodeFull } else { Code::OutcomeUnknown };
    let error = Error::new(code, text).with_hint("read answers as they come, and ask again");
    Problem::from(error).into_reply().map(|content| content.through(outbox, None))
}

/// Says that the connection ends with this answer, where it does. HTTP/2 says so by itself.
fn told_to_leave(mut reply: Reply, version: Version, is_last: bool) -> Reply {
    let is_http1 = version < Version::HTTP_2;
    if is_last && is_http1 && reply.status() != StatusCode::SWITCHING_PROTOCOLS {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}
