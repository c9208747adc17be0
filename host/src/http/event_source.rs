//! Events for a watching client, whatever carries them to it: server-sent events or a WebSocket.

use std::time::Duration;

use highlander_core::events::frame::{CLOSED, Frame};
use highlander_core::json;

use super::connection::ConnectionHandle;
use crate::events::listener::{End, Listener};
use crate::wire::events::Closed;

/// Maximum time between two writes to a stream.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Next item for a watching client.
#[derive(Debug)]
pub(super) enum Received {
    Event(std::sync::Arc<Frame>),
    /// No event occurred for [`KEEP_ALIVE`].
    Nothing,
    /// Final event, with the reason.
    End(Frame),
}

/// Returns the next item for a listener on this connection.
///
/// # Cancel safety
/// No event is lost.
pub(super) async fn heard(listener: &mut Listener, exchange: &mut ConnectionHandle) -> Received {
    tokio::select! {
        biased;
        () = exchange.closing() => Received::End(closed("node-stopping", "the node is stopping; connect to another")),
        heard = listener.next() => match heard {
            Ok(frame) => Received::Event(frame),
            Err(end) => Received::End(closed(end.as_str(), why(end))),
        },
        () = tokio::time::sleep(KEEP_ALIVE) => Received::Nothing,
    }
}

fn why(end: End) -> &'static str {
    match end {
        End::TooSlow => "events arrived faster than they were read; resume for those still kept",
        End::Moved => "this node is no longer the object's owner",
    }
}

fn closed(reason: &str, detail: &str) -> Frame {
    let closed = Closed { detail: detail.to_owned(), reason: reason.to_owned() };
    Frame::new(None, CLOSED, json::encode(&closed))
}
