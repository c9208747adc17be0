//! The body of an answer: whole, because replies are bounded, or a stream of events without an end.
//! What is in it is not known here. It is handed over in pieces, so that it can be seen whether the client reads.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use hyper::body::{Body, Frame, SizeHint};

use super::unsent::{Outbox, Room};

/// Largest piece: a client that takes less than this within the write timeout does not read.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// The body of an answer.
pub(crate) struct Content {
    /// What comes next.
    bytes: Bytes,
    /// What comes after it, as it comes.
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

    /// How many bytes it holds.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The same, sent through `outbox`, where it may have taken room.
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
