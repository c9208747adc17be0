//! Builds successful responses.
//!
//! On the path of a call, only numbers are formatted, and the reply's bytes are sent as the object returned them.

use bytes::Bytes;
use highlander_core::activation::Done;
use highlander_core::activation::reply::Reply as CallReply;
use highlander_core::error::Error;
use highlander_core::id::NodeId;
use highlander_core::json;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::Reply;
use super::conditions::{self, Known};
use super::documents::Document;
use super::owner::name_owner;
use super::response_body::Content;

pub(super) const NODE: HeaderName = HeaderName::from_static("highlander-node");
pub(super) const VERSION: HeaderName = HeaderName::from_static("highlander-version");
pub(super) const EPOCH: HeaderName = HeaderName::from_static("highlander-epoch");
pub(super) const REVISION: HeaderName = HeaderName::from_static("highlander-revision");
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Initial capacity of the headers. `HeaderMap` keeps some of its slots free; reserving room for all headers
/// avoids growing it.
const HEADER_COUNT: usize = 12;

/// Caching of read responses: only by the client itself, and revalidated before each use.
const REVALIDATED: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Returns the response to a completed call. `owner` is set if another node executed it.
pub(super) fn done(done: Done, owner: Option<&NodeId>) -> Reply {
    let tag = conditions::tag(&done);
    let mut reply = untagged(done, owner);
    reply.headers_mut().insert(ETAG, tag);
    reply
}

/// Returns the cacheable response to a read, without a body if the client has it cached.
pub(super) fn read(mut done: Done, owner: Option<&NodeId>, known: &Known<'_>) -> Reply {
    let (tag, version) = (conditions::tag_of_read(&done), done.version);
    let is_known = known.has(&tag, version);
    if is_known {
        done.reply = CallReply::Json(Bytes::new());
    }
    let mut reply = untagged(done, owner);
    if is_known {
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        // Without a body there is no content type.
        reply.headers_mut().remove(CONTENT_TYPE);
    }
    let headers = reply.headers_mut();
    headers.insert(ETAG, tag);
    headers.insert(CACHE_CONTROL, REVALIDATED);
    reply
}

/// Returns the response to a read of data that can change without a new version, so it must not be cached.
pub(super) fn of_the_moment(done: Done, owner: Option<&NodeId>) -> Reply {
    let mut reply = untagged(done, owner);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

fn untagged(done: Done, owner: Option<&NodeId>) -> Reply {
    let mut reply = Response::new(Content::whole(done.reply.into_json()));
    let headers = reply.headers_mut();
    headers.reserve(HEADER_COUNT);
    headers.insert(CONTENT_TYPE, JSON);
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

/// Returns a JSON document of the host.
pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Reply {
    let mut reply = Response::new(Content::whole(json::encode(document)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply
}

/// Returns a document with an `ETag`, or no body if the client has the document cached.
pub(super) fn document(parts: &Parts, document: Document) -> Result<Reply, Error> {
    let Document { json, tag } = document;
    // A document always exists, whatever its version.
    let is_known = conditions::known(&parts.headers)?.has(&tag, 1);
    let mut reply = Response::new(Content::whole(if is_known { Bytes::new() } else { json }));
    if is_known {
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = reply.headers_mut();
    if !is_known {
        headers.insert(CONTENT_TYPE, JSON);
    }
    headers.insert(ETAG, tag);
    headers.insert(CACHE_CONTROL, REVALIDATED);
    Ok(reply)
}

/// Returns text of a fixed media type.
pub(super) fn text(media_type: &'static str, text: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Content::whole(text));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    reply
}
