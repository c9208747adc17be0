//! Watching over a WebSocket (RFC 6455), on HTTP/1.1: one text message per event.
//!
//! Messages from the client are read, within limits, and ignored. A client that violates the protocol gets a close
//! frame with the reason. A client that does not answer pings is considered gone, however much is sent to it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use highlander_core::error;
use highlander_core::events::frame::Frame;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Reply;
use super::connection::ConnectionHandle;
use super::event_source::{KEEP_ALIVE, Received, heard};
use super::problem::Problem;
use super::request::malformed;
use super::response_body::Content;
use crate::events::listener::Listener;

/// Maximum size of a client's message.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Maximum time for a client to accept a message, or to send nothing despite pings. Checked at each ping, so that
/// a client that is gone is detected within three of them.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum time for a client to close its side.
const FAREWELL_TIME: Duration = Duration::from_secs(1);

/// Builds the response to a rejected handshake, with the supported version (RFC 6455, 4.2.2).
pub(super) fn refused(problem: Problem) -> Reply {
    let mut reply = problem.into_reply();
    reply.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    reply
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Valid request to switch to the WebSocket protocol.
#[derive(Debug)]
pub(super) struct Upgrade {
    accept: HeaderValue,
    upgrading: OnUpgrade,
}

impl Upgrade {
    /// Parses the upgrade; `None` if the request is not for a WebSocket.
    pub(super) fn read(parts: &mut Parts) -> Result<Option<Self>, error::Error> {
        if !has_word(&parts.headers, &UPGRADE, "websocket") {
            return Ok(None);
        }
        let key = parts.headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
        let is_thirteen = parts.headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|v| v == "13");
        let is_whole = is_thirteen && has_word(&parts.headers, &CONNECTION, "upgrade");
        let (Some(key), true) = (key, is_whole) else {
            let text = "the WebSocket handshake is not valid; expected Connection: Upgrade, \
                        Sec-WebSocket-Version: 13 and a Sec-WebSocket-Key";
            return Err(malformed(text));
        };
        let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
        let accept = accept.map_err(|_| malformed("the Sec-WebSocket-Key is not valid"))?;
        let upgrading = parts.extensions.remove::<OnUpgrade>();
        let upgrading = upgrading.ok_or_else(|| {
            malformed("this connection cannot be upgraded to a WebSocket").with_hint("use HTTP/1.1")
        })?;
        Ok(Some(Self { accept, upgrading }))
    }

    /// Returns the response, after which the connection sends the listener's events.
    pub(super) fn begin(self, listener: Listener, exchange: ConnectionHandle) -> Reply {
        let upgrading = self.upgrading;
        tokio::spawn(async move {
            // The connection counts against the connection limit after the upgrade, too.
            let _place = exchange.place();
            match upgrading.await {
                Ok(upgraded) => serve_websocket(TokioIo::new(upgraded), listener, exchange).await,
                Err(error) => tracing::debug!(%error, "a connection was not upgraded"),
            }
        });
        let mut reply = Response::new(Content::whole(Bytes::new()));
        *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = reply.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        reply
    }
}

/// Sends events until the client or the node ends the connection.
async fn serve_websocket(
    stream: TokioIo<hyper::upgrade::Upgraded>,
    mut listener: Listener,
    mut exchange: ConnectionHandle,
) {
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(MESSAGE_BYTES_MAX);
    config.max_frame_size = Some(MESSAGE_BYTES_MAX);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let mut pings = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    let mut heard_at = Instant::now();
    loop {
        tokio::select! {
            biased;
            received = socket.next() => match received {
                Some(Ok(_)) => heard_at = Instant::now(),
                Some(Err(error)) => return fail(socket, &error).await,
                // The client has closed the WebSocket and got a close frame in return.
                None => return part(socket).await,
            },
            now = pings.tick() => {
                let is_gone = now.duration_since(heard_at) >= TIMEOUT;
                if is_gone || !send(&mut socket, Message::Ping(Bytes::new())).await {
                    return;
                }
            }
            received = heard(&mut listener, &mut exchange) => match received {
                Received::Event(frame) if send(&mut socket, message(&frame)).await => {}
                Received::Event(_) => return,
                // The client gets a ping instead.
                Received::Nothing => {}
                Received::End(closed) => return end(&mut socket, &closed).await,
            }
        }
    }
}

/// Reports a protocol violation to the client (RFC 6455, 7.4.1), if the error is one.
async fn fail(mut socket: Socket, error: &Error) {
    let Some(code) = close_code(error) else { return };
    let reason = error.to_string().chars().take(100).collect::<String>();
    let close = CloseFrame { code, reason: reason.into() };
    if send(&mut socket, Message::Close(Some(close))).await {
        part(socket).await;
    }
}

/// Closes the connection so that the close frame arrives even if the client has sent more data.
async fn part(mut socket: Socket) {
    let _ = timeout(FAREWELL_TIME, socket.get_mut().shutdown()).await;
}

/// Returns the close code for an error; `None` if the connection is broken.
fn close_code(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Capacity(_) => Some(CloseCode::Size),
        _ => None,
    }
}

/// Sends a message. Returns whether the client accepted it in time.
async fn send(socket: &mut Socket, message: Message) -> bool {
    matches!(timeout(TIMEOUT, socket.send(message)).await, Ok(Ok(())))
}

fn message(frame: &Frame) -> Message {
    // Event names are ASCII, and data is JSON that was validated as UTF-8.
    frame.as_message().try_into().map_or_else(|_| Message::Ping(Bytes::new()), Message::Text)
}

/// Sends the reason to the client, in an event and in the close frame, and waits for the client's close frame.
async fn end(socket: &mut Socket, closed: &Frame) {
    let reason = String::from_utf8_lossy(&closed.data).chars().take(120).collect::<String>();
    let close = CloseFrame { code: CloseCode::Again, reason: reason.into() };
    if send(socket, message(closed)).await && send(socket, Message::Close(Some(close))).await {
        let farewell = async { while let Some(Ok(_)) = socket.next().await {} };
        let _ = timeout(FAREWELL_TIME, farewell).await;
    }
}

/// Whether a comma-separated header contains `word`.
fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(word))
}
