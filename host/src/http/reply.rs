//! Builds answers that are no errors.
//!
//! On the path of a call nothing is formatted but numbers, and the reply's bytes are sent as the object gave them.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::Reply;
use super::content::Content;
use crate::activation::Done;
use crate::id::NodeId;
use crate::store::record::Version;

pub(super) const NODE: HeaderName = HeaderName::from_static("highlander-node");
pub(super) const VERSION: HeaderName = HeaderName::from_static("highlander-version");
pub(super) const EPOCH: HeaderName = HeaderName::from_static("highlander-epoch");
pub(super) const REVISION: HeaderName = HeaderName::from_static("highlander-revision");
/// The node that owns the object, where that is not the one that answers.
pub(super) const OWNER: HeaderName = HeaderName::from_static("highlander-owner");
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Names of headers are spread over twice as many places; room for all of them avoids growing.
const HEADER_COUNT: usize = 12;

/// The answer to a call that was done, at another node if one is given.
pub(super) fn done(done: Done, owner: Option<&NodeId>) -> Reply {
    let mut reply = Response::new(Content::whole(done.reply));
    let headers = reply.headers_mut();
    headers.reserve(HEADER_COUNT);
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(ETAG, tag(done.version));
    headers.insert(VERSION, HeaderValue::from(done.version));
    headers.insert(EPOCH, HeaderValue::from(done.epoch));
    headers.insert(REVISION, HeaderValue::from(done.revision));
    if done.replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(owner) = owner {
        name_owner(headers, owner);
    }
    reply
}

/// Says who owns the object. A name that cannot be a header is one that no node of this program has.
pub(super) fn name_owner(headers: &mut HeaderMap, owner: &NodeId) {
    if let Ok(name) = HeaderValue::from_str(owner.as_str()) {
        headers.insert(OWNER, name);
    }
}

/// The answer to a read of a version that the caller has already.
pub(super) fn not_modified(seen: &Done, owner: Option<&NodeId>) -> Reply {
    let mut reply = done(Done { reply: Bytes::new(), ..seen.clone() }, owner);
    *reply.status_mut() = StatusCode::NOT_MODIFIED;
    reply
}

/// A document made by the host.
pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Reply {
    // The documents are plain data, which can always be written.
    let bytes = serde_json::to_vec(document).unwrap_or_default();
    let mut reply = Response::new(Content::whole(bytes));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply
}

/// Text of a media type that the caller of this function fixes.
pub(super) fn text(media_type: &'static str, text: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Content::whole(text));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    reply
}

/// A version in quotes, written from its last digit to its first.
pub(super) fn tag(version: Version) -> HeaderValue {
    let mut text = [b'"'; 22];
    let (mut left, mut start) = (version, 21);
    loop {
        start -= 1;
        if let Some(digit) = text.get_mut(start) {
            *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
        }
        left /= 10;
        if left == 0 {
            break;
        }
    }
    let quoted = text.get(start - 1..).unwrap_or_default();
    HeaderValue::from_bytes(quoted).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_versions_in_quotes() {
        for version in [0, 1, 9, 10, 42, 1_000_000, u64::MAX] {
            assert_eq!(tag(version), format!("\"{version}\""));
        }
    }
}
