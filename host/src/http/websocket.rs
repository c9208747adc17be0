//! Watching by WebSocket (RFC 6455): one text message for each event, over HTTP/1.1.
//! What the client sends is read, within bounds, and not looked at.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::Reply;
use super::content::Content;
use super::events::{self, Heard, KEEP_ALIVE};
use super::exchange::Exchange;
use super::request::malformed;
use crate::error::Error;
use crate::events::frame::Frame;
use crate::events::listener::Listener;

/// Largest message of a client.
const MESSAGE_BYTES_MAX: usize = 4096;
/// How long a client may take none of what is sent, or send nothing though it is pinged.
const PATIENCE: Duration = Duration::from_secs(45);

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// A request to go on as a WebSocket.
#[derive(Debug)]
pub(super) struct Upgrade {
    accept: HeaderValue,
    upgrading: OnUpgrade,
}

impl Upgrade {
    /// What a request says of it; none where it asks for no upgrade.
    pub(super) fn read(parts: &mut Parts) -> Result<Option<Self>, Error> {
        if !has_word(&parts.headers, &UPGRADE, "websocket") {
            return Ok(None);
        }
        let key = parts.headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
        let is_thirteen = parts.headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|v| v == "13");
        let is_whole = is_thirteen && has_word(&parts.headers, &CONNECTION, "upgrade");
        let (Some(key), true) = (key, is_whole) else {
            let text = "a WebSocket begins with Connection: Upgrade, Sec-WebSocket-Version: 13 and a Sec-WebSocket-Key";
            return Err(malformed(text));
        };
        let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
        let accept = accept.map_err(|_| malformed("the Sec-WebSocket-Key cannot be answered"))?;
        let upgrading = parts.extensions.remove::<OnUpgrade>();
        let upgrading = upgrading.ok_or_else(|| {
            malformed("this connection cannot become a WebSocket").with_hint("use HTTP/1.1")
        })?;
        Ok(Some(Self { accept, upgrading }))
    }

    /// The answer, after which the connection sends the events of `listener`.
    pub(super) fn begin(self, listener: Listener, exchange: Exchange) -> Reply {
        let upgrading = self.upgrading;
        tokio::spawn(async move {
            // It keeps its place among the connections, though it is none of HTTP any more.
            let _place = exchange.place();
            match upgrading.await {
                Ok(upgraded) => converse(TokioIo::new(upgraded), listener, exchange).await,
                Err(error) => tracing::debug!(%error, "a connection did not become a WebSocket"),
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

/// Sends events until the client or the node has enough.
async fn converse(
    stream: TokioIo<hyper::upgrade::Upgraded>,
    mut listener: Listener,
    mut exchange: Exchange,
) {
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(MESSAGE_BYTES_MAX);
    config.max_frame_size = Some(MESSAGE_BYTES_MAX);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let mut silence = Duration::ZERO;
    loop {
        tokio::select! {
            biased;
            received = socket.next() => match received {
                Some(Ok(_)) => silence = Duration::ZERO,
                // Closed by the client, which was answered, or broken.
                Some(Err(_)) | None => return,
            },
            heard = events::heard(&mut listener, &mut exchange) => {
                let is_sent = match heard {
                    Heard::Event(frame) => send(&mut socket, message(&frame)).await,
                    Heard::Nothing if silence >= PATIENCE => return,
                    Heard::Nothing => {
                        silence += KEEP_ALIVE;
                        send(&mut socket, Message::Ping(Bytes::new())).await
                    }
                    Heard::End(closed) => return end(&mut socket, &closed).await,
                };
                if !is_sent {
                    return;
                }
            }
        }
    }
}

/// Sends a message, if the client takes it in time.
async fn send(socket: &mut Socket, message: Message) -> bool {
    matches!(tokio::time::timeout(PATIENCE, socket.send(message)).await, Ok(Ok(())))
}

fn message(frame: &Frame) -> Message {
    // Names are ASCII, and data is JSON, which was checked to be UTF-8.
    frame.as_message().try_into().map_or_else(|_| Message::Ping(Bytes::new()), Message::Text)
}

/// Tells the client why, in an event and in the close frame, and waits for its own.
async fn end(socket: &mut Socket, closed: &Frame) {
    let reason = String::from_utf8_lossy(&closed.data).chars().take(120).collect::<String>();
    let close = CloseFrame { code: CloseCode::Again, reason: reason.into() };
    if send(socket, message(closed)).await && send(socket, Message::Close(Some(close))).await {
        let farewell = async { while let Some(Ok(_)) = socket.next().await {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), farewell).await;
    }
}

/// Whether a header holds `word` among others.
fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(word))
}
