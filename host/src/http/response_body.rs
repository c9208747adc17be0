//! Body of a response: complete in memory, since replies are bounded, or an endless stream of events.
//!
//! The body is sent in pieces, so that a client that does not read can be detected.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use hyper::body::{Body, Frame, SizeHint};

use super::unsent::{Outbox, Room};

/// Maximum size of a piece. A client that accepts less than this within the write timeout is considered not to read.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// Body of a response.
pub(crate) struct Content {
    /// Bytes to send next.
    bytes: Bytes,
    /// Source of the bytes that follow.
    stream: Option<BoxStream<'static, Bytes>>,
    delivery: Option<(Outbox, Option<Room>)>,
}

impl Content {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), stream: None, delivery: None }
    }

    pub(super) fn stream(pieces: BoxStream<'static, Bytes>) -> Self {
        Self { bytes: Bytes::new(), stream: Some(pieces), delivery: None }
    }

    /// Number of bytes in memory.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Sends the body through `outbox`, with the room reserved for it, if any.
    pub(super) fn through(self, outbox: Outbox, room: Option<Room>) -> Self {
        Self { delivery: Some((outbox, room)), ..self }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let content = &mut *self;
        while content.bytes.is_empty() {
            let Some(stream) = &mut content.stream else { return Poll::Ready(None) };
            match ready!(stream.poll_next_unpin(context)) {
                Some(bytes) => content.bytes = bytes,
                None => content.stream = None,
            }
        }
        let piece = content.bytes.split_to(content.bytes.len().min(PIECE_BYTES_MAX));
        let piece = match &mut content.delivery {
            Some((outbox, room)) => outbox.hand_over(piece, room.as_mut()),
            None => piece,
        };
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty() && self.stream.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.stream {
            None => SizeHint::with_exact(self.bytes.len() as u64),
            Some(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("bytes", &self.bytes.len())
            .field("is_stream", &self.stream.is_some())
            .finish_non_exhaustive()
    }
}
