//! I/O of one connection: detects slow clients, gives hyper's own error responses the common format, and closes so
//! that the last response arrives.
//!
//! hyper itself responds to a head that it cannot parse, with a status and no body. [`Wire`] replaces such a response
//! while writing it. Requests update [`Activity`], and a timer polls it, so that no request needs a timer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use highlander_core::error::{Error, ErrorCode};
use highlander_core::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::problem::Problem;
use crate::wire::problem::CONTENT;

/// Maximum time to wait for a client to close its side, and maximum number of bytes read from it during that time.
/// Closing a connection with unread bytes resets it, and the last response is lost.
const LINGER_TIME: Duration = Duration::from_millis(500);
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// Next thing that a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The rest of a request's head.
    Head,
    /// The response to a request.
    Answer,
    /// The next request.
    Request,
    /// Events, for as long as the client listens.
    Stream,
}

/// Activity of a connection. Every change is counted.
#[derive(Debug, Default)]
pub(super) struct Activity {
    answering: AtomicUsize,
    streams: AtomicUsize,
    has_begun: AtomicBool,
    has_asked: AtomicBool,
    is_between_requests: AtomicBool,
    is_http2: AtomicBool,
    has_unread_body: AtomicBool,
    changes: AtomicU64,
}

impl Activity {
    /// Returns the current phase and the number of changes so far.
    pub(super) fn observe(&self) -> (Phase, u64) {
        let phase = if self.answering.load(Ordering::Relaxed) > 0 {
            Phase::Answer
        } else if self.streams.load(Ordering::Relaxed) > 0 {
            Phase::Stream
        } else if self.is_between_requests.load(Ordering::Relaxed) {
            Phase::Request
        } else {
            Phase::Head
        };
        (phase, self.changes.load(Ordering::Relaxed))
    }

    /// Marks a request as in progress from its complete head until the guard is dropped.
    pub(super) fn begin_answer(self: &Arc<Self>) -> Answering {
        self.has_asked.store(true, Ordering::Relaxed);
        self.answering.fetch_add(1, Ordering::Relaxed);
        self.changes.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }

    /// Marks an event stream as active until the guard is dropped.
    pub(super) fn begin_stream(self: &Arc<Self>) -> Streaming {
        self.streams.fetch_add(1, Ordering::Relaxed);
        self.changes.fetch_add(1, Ordering::Relaxed);
        Streaming(Arc::clone(self))
    }

    /// Whether the client learns which of its requests were not processed. HTTP/2 reports that when the connection
    /// ends, but a client that has not yet sent a request may ignore it.
    pub(super) fn is_told_what_is_lost(&self) -> bool {
        self.is_http2.load(Ordering::Relaxed) && self.has_asked.load(Ordering::Relaxed)
    }

    /// Records that some of a request's body is not read, so that the connection ends after the response.
    pub(super) fn leave_unread(&self) {
        self.has_unread_body.store(true, Ordering::Relaxed);
    }

    /// Whether some of a request's body was not read.
    pub(super) fn has_unread_body(&self) -> bool {
        self.has_unread_body.load(Ordering::Relaxed)
    }

    fn has_read(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if !self.has_begun.swap(true, Ordering::Relaxed) && bytes.starts_with(b"PRI") {
            self.is_http2.store(true, Ordering::Relaxed);
            self.is_between_requests.store(true, Ordering::Relaxed);
        }
        // HTTP/2 has frames that belong to no request. Each shows that the client is alive.
        if self.is_http2.load(Ordering::Relaxed)
            || self.is_between_requests.swap(false, Ordering::Relaxed)
        {
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A request is in progress while this lives.
#[derive(Debug)]
pub(super) struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.is_between_requests.store(true, Ordering::Relaxed);
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
        self.0.changes.fetch_add(1, Ordering::Relaxed);
    }
}

/// An event stream is active while this lives.
#[derive(Debug)]
pub(super) struct Streaming(Arc<Activity>);

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
        self.0.changes.fetch_add(1, Ordering::Relaxed);
    }
}

/// Stream that records activity and replaces hyper's own errors.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    activity: Arc<Activity>,
    /// Unwritten rest of the response that replaces hyper's own.
    instead: Bytes,
    farewell: Option<Farewell>,
}

/// State while waiting for the client to close its side, after this side has closed.
#[derive(Debug)]
struct Farewell {
    time: Pin<Box<Sleep>>,
    bytes_left: usize,
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, instead: Bytes::new(), farewell: None }
    }

    fn poll_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.instead))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.instead.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.activity.has_read(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(context))?;
        if let Some(refusal) = refusal_for(bytes) {
            self.instead = refusal;
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(context))?;
        if let [bytes] = slices
            && let Some(refusal) = refusal_for(bytes)
        {
            self.instead = refusal;
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(context))?;
        let Self { stream, farewell, .. } = &mut *self;
        if farewell.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
        }
        farewell.get_or_insert_with(Farewell::new).poll(stream, context).map(Ok)
    }
}

impl Farewell {
    fn new() -> Self {
        Self { time: Box::pin(sleep(LINGER_TIME)), bytes_left: LINGER_BYTES_MAX }
    }

    /// Ready when the client has closed its side or a limit is reached.
    fn poll(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut bytes = [0; 4096];
        while self.time.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer));
            let length = buffer.filled().len();
            self.bytes_left = self.bytes_left.saturating_sub(length);
            if read.is_err() || length == 0 || self.bytes_left == 0 {
                break;
            }
        }
        Poll::Ready(())
    }
}

/// Returns the replacement for `head` if that is hyper's own error response: an error without a body, which the
/// host itself never sends.
fn refusal_for(head: &[u8]) -> Option<Bytes> {
    let status = head.strip_prefix(b"HTTP/1.1 4")?;
    let text = std::str::from_utf8(head).ok()?;
    if !text.ends_with("\r\n\r\n") || !text.contains("\r\ncontent-length: 0\r\n") {
        return None;
    }
    let error = if status.starts_with(b"31") || status.starts_with(b"14") {
        Error::new(
            ErrorCode::HeadTooLarge,
            "the head of the request has more than 16 KiB or 100 fields",
        )
    } else {
        Error::new(ErrorCode::MalformedRequest, "the request is not valid HTTP")
    };
    Some(refusal(error))
}

/// Formats a complete response, after which the connection is closed.
pub(super) fn refusal(error: Error) -> Bytes {
    let code = error.code;
    let retry_after = if code.is_retryable() { "retry-after: 1\r\n" } else { "" };
    let status = http::StatusCode::from_u16(code.status()).unwrap_or_default();
    let body = json::encode(&Problem::from(error).document());
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {CONTENT}\r\ncontent-length: {length}\r\n\
         {retry_after}connection: close\r\n\r\n"
    );
    [head.as_bytes(), &body].concat().into()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn only_refusals_without_body_are_replaced() {
        let refused = refusal_for(
            b"HTTP/1.1 431 Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        );
        let text = String::from_utf8(refused.unwrap().to_vec()).unwrap();
        assert!(text.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{text}");
        assert!(text.contains("\"code\":\"head-too-large\""), "{text}");
        for other in [
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "{\"text\":\"HTTP/1.1 4\"}",
        ] {
            assert_eq!(refusal_for(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_connection_waits_for_a_head_an_answer_and_the_next_request() {
        let activity = Arc::new(Activity::default());
        let phase = || activity.observe().0;
        assert_eq!(phase(), Phase::Head);
        activity.has_read(b"POST ");
        let (_, before) = activity.observe();
        activity.has_read(b"/v1");
        assert_eq!(
            activity.observe(),
            (Phase::Head, before),
            "single bytes do not count as progress"
        );
        let answering = activity.begin_answer();
        assert_eq!(phase(), Phase::Answer);
        let streaming = activity.begin_stream();
        drop(answering);
        assert_eq!(phase(), Phase::Stream);
        drop(streaming);
        assert_eq!(phase(), Phase::Request);
        activity.has_read(b"G");
        assert_eq!(phase(), Phase::Head);
        assert!(!activity.is_told_what_is_lost(), "HTTP/1 has no such signal");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_client_still_sends_is_read_until_it_closes_or_had_its_time() {
        for is_closed in [false, true] {
            let (server, mut client) = tokio::io::duplex(64);
            let mut wire = Wire::new(server, Arc::default());
            let begun = tokio::time::Instant::now();
            let closing = tokio::spawn(async move { wire.shutdown().await.map(|()| wire) });
            client.write_all(&[0; 1000]).await.unwrap();
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "this side closes at once");
            if is_closed {
                client.shutdown().await.unwrap();
            }
            let _wire = closing.await.unwrap().unwrap();
            assert_eq!(begun.elapsed() >= LINGER_TIME, !is_closed);
        }
    }
}
