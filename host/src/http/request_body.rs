//! Reads request bodies, limited in size and time, and without copying a body that arrives in one piece.
//!
//! A rejected body is still read for a short time: closing a connection with unread bytes resets it, and the
//! response is lost.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use highlander_core::error::{Error, ErrorCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use super::request::malformed;

/// Number of bytes of a rejected body that are read, as a multiple of its limit.
const DISCARD_FACTOR: usize = 8;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads a whole body of at most `bytes_max` bytes, if it arrives within `limit`.
pub(super) async fn read(
    body: &mut Incoming,
    bytes_max: usize,
    limit: Duration,
) -> Result<Bytes, Error> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let read = if declared > bytes_max {
        Err(too_large(bytes_max))
    } else {
        match tokio::time::timeout(limit, collect(body, bytes_max)).await {
            Ok(read) => read,
            Err(_) => {
                let seconds = limit.as_secs_f32();
                return Err(malformed(format!("the body did not arrive within {seconds} s")));
            }
        }
    };
    if matches!(&read, Err(error) if error.code == ErrorCode::BodyTooLarge) {
        let discarding = discard(body, bytes_max.saturating_mul(DISCARD_FACTOR));
        // Bytes left after the timeout are lost when the connection closes.
        let _ = tokio::time::timeout(DISCARD_TIMEOUT, discarding).await;
    }
    read
}

/// Reads the rest of a body, of at most `limit` bytes.
pub(super) async fn collect(body: &mut Incoming, limit: usize) -> Result<Bytes, Error> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| malformed("the body is incomplete"))?;
        // Trailers are ignored.
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve(first.len() + data.len());
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Discards part of the body of a request that was rejected by its head. Must not be used if the client waits for
/// `100 Continue`, because reading triggers that response.
pub(super) async fn discard_rest(body: &mut Incoming, limit: usize) {
    if !body.is_end_stream() {
        // Bytes left after the timeout are lost when the connection closes.
        let _ = tokio::time::timeout(DISCARD_TIMEOUT, discard(body, limit)).await;
    }
}

async fn discard(body: &mut Incoming, mut bytes_left: usize) {
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match bytes_left.checked_sub(length) {
            Some(left) => bytes_left = left,
            None => return,
        }
    }
}

pub(super) fn too_large(limit: usize) -> Error {
    Error::new(ErrorCode::BodyTooLarge, format!("the body has more than {limit} bytes"))
}
