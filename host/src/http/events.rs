//! Route for watching an object: as server-sent events, over a WebSocket, or once as JSON.
//!
//! A stream begins with `reset`, which contains the object's current state, or with the first event after the last
//! one that the client received. It ends with `closed` and a reason, or breaks off; the client then reconnects.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use highlander_core::activation::{Operation, Precondition};
use highlander_core::error::Error;
use highlander_core::events::event_id::EventId;
use highlander_core::id::ObjectId;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, UPGRADE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response};

use super::connection::ConnectionHandle;
use super::connection_io::Streaming;
use super::event_source::{Received, heard};
use super::problem::Problem;
use super::response_body::Content;
use super::terms::Terms;
use super::{Api, Reply, media, query, request, response, websocket};
use crate::events::listener::Listener;

/// Comment that keeps the stream alive.
const ALIVE: Bytes = Bytes::from_static(b":\n\n");
/// Reconnection delay for browsers, in milliseconds.
const RETRY: Bytes = Bytes::from_static(b"retry: 1000\n\n");
const EVENT_STREAM: &str = "text/event-stream";
/// Asks a proxy to forward each event immediately instead of buffering. nginx and others honor it.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

impl Api {
    pub(super) async fn events(&self, parts: &mut Parts, id: ObjectId) -> Result<Reply, Problem> {
        let asked = Asked::read(parts).map_err(|error| Problem::of(error, &id))?;
        let terms = self.terms(parts, Ok(Precondition::None));
        let after = match asked {
            Asked::Stand => return self.stand(parts, &id, terms).await,
            Asked::Events(after) => after,
        };
        let terms = terms.map_err(|error| Problem::of(error, &id))?;
        let operation = Operation::Watch { publish_state: true };
        let (call, context) = terms.call(operation, request::caller(parts));
        let upgrade = match websocket::Upgrade::read(parts) {
            Ok(upgrade) => upgrade,
            Err(error) => return Ok(websocket::refused(Problem::of(error, &id))),
        };
        let exchange = ConnectionHandle::of(parts)?;
        let listener = self.router.watch(&id, call, after, context).await;
        let listener = listener.map_err(|error| Problem::of(error, &id))?;
        Ok(match upgrade {
            Some(upgrade) => upgrade.begin(listener, exchange),
            None => streamed(listener, exchange),
        })
    }

    /// Returns the object's current version and state, without a stream.
    async fn stand(
        &self,
        parts: &Parts,
        id: &ObjectId,
        terms: Result<Terms, Error>,
    ) -> Result<Reply, Problem> {
        let operation = Operation::Watch { publish_state: true };
        let (done, owner) = self.operate(parts, id, operation, terms).await?;
        Ok(response::of_the_moment(done, owner.as_ref()))
    }
}

/// Kind of response that a client requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The object's current version and state.
    Stand,
    /// Events after this one, or from now on.
    Events(Option<EventId>),
}

impl Asked {
    fn read(parts: &Parts) -> Result<Self, Error> {
        // Browsers cannot set headers for a WebSocket, hence the parameter. An `EventSource` that reconnects
        // repeats the original URL and sends the newest id in the header, so the header takes precedence.
        let parameters = query::parameters(parts);
        let after = match (request::last_event_id(&parts.headers)?, parameters.first()) {
            (Some(after), _) => after,
            (None, Some((_, text))) => request::event_id(text)?,
            (None, None) => None,
        };
        // A WebSocket has no media type, and its client may send any `Accept` header or none.
        let is_socket = parts.headers.contains_key(UPGRADE);
        let is_stand = parts.method == Method::HEAD
            || !is_socket && media::prefers(&parts.headers, "application/json", EVENT_STREAM)?;
        Ok(if is_stand { Self::Stand } else { Self::Events(after) })
    }
}

/// Returns the listener's events as server-sent events.
fn streamed(listener: Listener, exchange: ConnectionHandle) -> Reply {
    let streaming = exchange.begin_stream();
    let watching = Some(Watching { listener, exchange, _streaming: streaming });
    let events = stream::unfold(watching, |watching| async move {
        let mut watching = watching?;
        Some(match watching.next().await {
            Received::Event(frame) => (frame.as_sse(), Some(watching)),
            Received::Nothing => (ALIVE, Some(watching)),
            Received::End(closed) => (closed.as_sse(), None),
        })
    });
    let pieces = stream::once(std::future::ready(RETRY)).chain(events);
    let mut reply = Response::new(Content::stream(pieces.boxed()));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    reply
}

struct Watching {
    listener: Listener,
    exchange: ConnectionHandle,
    _streaming: Streaming,
}

impl Watching {
    async fn next(&mut self) -> Received {
        heard(&mut self.listener, &mut self.exchange).await
    }
}

#[cfg(test)]
mod tests;
