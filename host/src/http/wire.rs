//! The bytes of one connection: notices whether a client is slow, gives hyper's own refusals the form of all others,
//! and closes so that the last answer arrives.
//!
//! hyper answers a head that it cannot read by itself, with a status and no body. [`Wire`] replaces such an answer as
//! it is written. [`Activity`] is set on the path of a request and looked at by a timer from time to time, so that no
//! request has to wind a clock of its own.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::problem::{CONTENT, Problem};
use crate::error::{Code, Error};

/// How long it is waited for a client to close its side too, and what is read from it meanwhile: a connection that is
/// closed with unread bytes is reset, and takes the last answer with it.
const LINGER_TIME: Duration = Duration::from_millis(500);
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The rest of a request's head.
    Head,
    /// The answer to a request.
    Answer,
    /// The next request.
    Request,
    /// Events, for as long as the client listens.
    Stream,
}

/// What goes on in a connection. Every change of it is counted.
#[derive(Debug, Default)]
pub(super) struct Activity {
    answering: AtomicUsize,
    streams: AtomicUsize,
    has_begun: AtomicBool,
    has_asked: AtomicBool,
    is_between_requests: AtomicBool,
    is_http2: AtomicBool,
    changes: AtomicU64,
}

impl Activity {
    /// The present phase, and how many changes there were.
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

    /// A request's head is whole; its answer is awaited until the guard is dropped.
    pub(super) fn begin_answer(self: &Arc<Self>) -> Answering {
        self.has_asked.store(true, Ordering::Relaxed);
        self.answering.fetch_add(1, Ordering::Relaxed);
        self.changes.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }

    /// A stream of events has begun; it lasts until the guard is dropped.
    pub(super) fn begin_stream(self: &Arc<Self>) -> Streaming {
        self.streams.fetch_add(1, Ordering::Relaxed);
        self.changes.fetch_add(1, Ordering::Relaxed);
        Streaming(Arc::clone(self))
    }

    /// Whether the client learns which of its requests were not looked at: HTTP/2 says so when it ends, though clients
    /// that have sent none yet may not listen.
    pub(super) fn is_told_what_is_lost(&self) -> bool {
        self.is_http2.load(Ordering::Relaxed) && self.has_asked.load(Ordering::Relaxed)
    }

    fn has_read(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if !self.has_begun.swap(true, Ordering::Relaxed) && bytes.starts_with(b"PRI") {
            self.is_http2.store(true, Ordering::Relaxed);
            self.is_between_requests.store(true, Ordering::Relaxed);
        }
        // HTTP/2 has frames that belong to no request; each shows that the client is there.
        if self.is_http2.load(Ordering::Relaxed)
            || self.is_between_requests.swap(false, Ordering::Relaxed)
        {
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A request is being answered as long as this lives.
#[derive(Debug)]
pub(super) struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.is_between_requests.store(true, Ordering::Relaxed);
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
        self.0.changes.fetch_add(1, Ordering::Relaxed);
    }
}

/// Events are being sent as long as this lives.
#[derive(Debug)]
pub(super) struct Streaming(Arc<Activity>);

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
        self.0.changes.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stream with an eye on it.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    activity: Arc<Activity>,
    /// What is written in place of hyper's own refusal, as far as it is not written yet.
    instead: Bytes,
    farewell: Option<Farewell>,
}

/// The time between the close of this side and that of the other one.
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

    /// Ready when the other side has closed, or has had its time.
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

/// What is to be sent instead of `head`, if that is a refusal of hyper's own: an error without body, which the
/// host itself never sends.
fn refusal_for(head: &[u8]) -> Option<Bytes> {
    let status = head.strip_prefix(b"HTTP/1.1 4")?;
    let text = std::str::from_utf8(head).ok()?;
    if !text.ends_with("\r\n\r\n") || !text.contains("\r\ncontent-length: 0\r\n") {
        return None;
    }
    let error = if status.starts_with(b"31") || status.starts_with(b"14") {
        Error::new(Code::HeadTooLarge, "the request's head has more than 16 KiB or 100 fields")
    } else {
        Error::new(Code::MalformedRequest, "the request is not HTTP")
    };
    Some(refusal(error))
}

/// A whole answer as bytes, after which the connection is closed.
pub(super) fn refusal(error: Error) -> Bytes {
    let code = error.code;
    let retry_after = if code.is_retryable() { "retry-after: 1\r\n" } else { "" };
    let status = http::StatusCode::from_u16(code.status()).unwrap_or_default();
    // Writing plain text members as JSON does not fail.
    let body = serde_json::to_string(&Problem::from(error).document()).unwrap_or_default();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {CONTENT}\r\ncontent-length: {length}\r\n\
         {retry_after}connection: close\r\n\r\n"
    );
    Bytes::from(head + &body)
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
        assert_eq!(activity.observe(), (Phase::Head, before), "a byte now and then is no progress");
        let answering = activity.begin_answer();
        assert_eq!(phase(), Phase::Answer);
        let streaming = activity.begin_stream();
        drop(answering);
        assert_eq!(phase(), Phase::Stream);
        drop(streaming);
        assert_eq!(phase(), Phase::Request);
        activity.has_read(b"G");
        assert_eq!(phase(), Phase::Head);
        assert!(!activity.is_told_what_is_lost(), "HTTP/1 does not tell");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_client_still_sends_is_read_until_it_closes_or_had_its_time() {
        for is_closed in [false, true] {
            let (server, mut client) = tokio::io::duplex(64);
            let mut wire = Wire::new(server, Arc::default());
            let begun = tokio::time::Instant::now();
            let closing = tokio::spawn(async move { wire.shutdown().await.map(|()| wire) });
            client.write_all(&[0; 1000]).await.unwrap();
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "this side is closed at once");
            if is_closed {
                client.shutdown().await.unwrap();
            }
            let _wire = closing.await.unwrap().unwrap();
            assert_eq!(begun.elapsed() >= LINGER_TIME, !is_closed);
        }
    }
}
