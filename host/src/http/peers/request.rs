//! Builds requests to other nodes: the public routes, with the parameters of a call in headers.
//!
//! The other node reconstructs the same call. The operation's bytes are sent unchanged, so that even the
//! fingerprint of its idempotency key is equal.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use highlander_core::activation::{Call, Consistency, GivenUpAction, Operation, Precondition};
use highlander_core::call_context::{Origin, Rank};
use highlander_core::error::{Error, ErrorCode};
use highlander_core::events::event_id::EventId;
use highlander_core::id::{NodeId, ObjectId, TypeName};
use highlander_core::json;
use highlander_core::rollout::{Awaited, ProgressQuery};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use super::super::auth::forwarded;
use super::super::request::{
    BACKGROUND, CALLER, CHAIN, CONSISTENCY, HOPS, IDEMPOTENCY_KEY, LAST_EVENT_ID, MESSAGE, RANK,
    TIMEOUT, TRACE_PARENT,
};
use super::super::{conditions, response, route};
use super::address::Address;
use crate::node::list::Query;
use crate::router::context::Context;
use crate::wire::rehearsals::RehearsalShare;

/// Characters that need no escape in a path segment or a query.
const PART_SAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Initial capacity of the headers. `HeaderMap` keeps some of its slots free; reserving room for all headers
/// avoids growing it.
const HEADER_COUNT: usize = 12;
/// Hop count of a request that the receiving node must answer itself.
const LAST_HOP: u8 = 1;

/// Request without its destination.
#[derive(Debug)]
pub(super) struct Outgoing {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Outgoing {
    /// Builds the request for a call.
    ///
    /// # Errors
    /// The call cannot be expressed in HTTP. This node would reject it with the same error.
    pub(super) fn call(
        id: &ObjectId,
        call: &Call,
        context: Context,
        time_left: Duration,
    ) -> Result<Self, Box<Error>> {
        let mut path = object_path(id);
        let (method, body) = asked(&mut path, id, &call.operation)?;
        let mut outgoing = Self::new(method, path, context.hops);
        outgoing.body = body;
        let headers = &mut outgoing.headers;
        headers.insert(TIMEOUT, milliseconds(time_left));
        match &call.precondition {
            Precondition::None => {}
            Precondition::Version(version) => {
                headers.insert(IF_MATCH, conditions::if_match(*version));
            }
            Precondition::OneOf(versions) => {
                headers.insert(IF_MATCH, conditions::if_match_any(versions));
            }
            Precondition::Present => {
                headers.insert(IF_MATCH, HeaderValue::from_static("*"));
            }
            Precondition::Absent => {
                headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
            }
            Precondition::AbsentAt(versions) => {
                headers.insert(IF_MATCH, conditions::if_match_any(versions));
                headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
            }
        }
        if matches!(call.operation, Operation::Watch { .. }) {
            headers.insert(ACCEPT, response::JSON);
        }
        if call.consistency == Consistency::Strict {
            headers.insert(CONSISTENCY, HeaderValue::from_static("strict"));
        }
        if let Some(key) = &call.key {
            let key = HeaderValue::from_str(&key.key).map_err(|_| {
                let text =
                    format!("the call to {id} was not executed: its key is not visible ASCII");
                Error::new(ErrorCode::MalformedRequest, text)
            })?;
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        if let Some(caller) = forwarded::write(&call.caller) {
            headers.insert(CALLER, caller);
        }
        write_origin(&call.origin, headers);
        Ok(outgoing)
    }

    pub(super) fn owner(id: &ObjectId) -> Self {
        let mut path = object_path(id);
        push_part(&mut path, "owner");
        Self::new(Method::GET, path, LAST_HOP)
    }

    /// Requests the events of an object after `after`, for a node that forwards them only to its own clients.
    pub(super) fn events(id: &ObjectId, after: Option<EventId>) -> Self {
        let mut path = object_path(id);
        push_part(&mut path, "events");
        let mut outgoing = Self::new(Method::GET, path, LAST_HOP);
        if let Some(after) = after.and_then(|id| HeaderValue::try_from(id.to_string()).ok()) {
            outgoing.headers.insert(LAST_EVENT_ID, after);
        }
        outgoing
    }

    pub(super) fn deactivate(id: &ObjectId) -> Self {
        let mut path = object_path(id);
        push_part(&mut path, "deactivate");
        Self::new(Method::POST, path, LAST_HOP)
    }

    pub(super) fn drain(node: &NodeId) -> Self {
        let mut path = "/v1/nodes".to_owned();
        push_part(&mut path, node.as_str());
        push_part(&mut path, "drain");
        Self::new(Method::POST, path, LAST_HOP)
    }

    pub(super) fn rehearsal(type_name: &TypeName, share: &RehearsalShare) -> Self {
        let mut outgoing =
            Self::new(Method::POST, format!("/v1/types/{type_name}/rehearsal"), LAST_HOP);
        outgoing.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        outgoing.body = json::encode(share);
        outgoing
    }

    /// Builds a request that changes nothing, is cheap, and is answered in every state of a node.
    pub(super) fn greeting() -> Self {
        Self::new(Method::GET, "/healthz".to_owned(), LAST_HOP)
    }

    pub(super) fn rollout(type_name: &TypeName, query: ProgressQuery) -> Self {
        let mut path = format!("/v1/types/{type_name}/rollout?live={}", query.counts_live);
        if let Some(Awaited { milestone, generation }) = query.awaited {
            let _ = write!(path, "&until={}&generation={generation}", milestone.as_str());
        }
        Self::new(Method::GET, path, LAST_HOP)
    }

    pub(super) fn active(query: &Query) -> Self {
        let Query { type_name, prefix, after, limit, .. } = query;
        let (prefix, after) = (encoded(prefix), encoded(after.as_deref().unwrap_or_default()));
        let query = format!("active=true&limit={limit}&prefix={prefix}&after={after}");
        Self::new(Method::GET, format!("/v1/objects/{type_name}?{query}"), LAST_HOP)
    }

    pub(super) fn nodes() -> Self {
        Self::new(Method::GET, "/v1/nodes".to_owned(), LAST_HOP)
    }

    fn new(method: Method, path: String, hops: u8) -> Self {
        let mut headers = HeaderMap::with_capacity(HEADER_COUNT);
        headers.insert(HOPS, HeaderValue::from(u16::from(hops)));
        Self { method, path, headers, body: Bytes::new() }
    }

    /// Adds the token that identifies the sender as a node.
    pub(super) fn signed(mut self, token: Option<&HeaderValue>) -> Self {
        if let Some(token) = token {
            self.headers.insert(AUTHORIZATION, token.clone());
        }
        self
    }

    /// Returns the complete request to a node.
    pub(super) fn addressed(self, address: &Address) -> Request<Full<Bytes>> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(address.authority.clone());
        // Every segment of the path is percent-encoded, and all parts of the URL are set, so neither can fail.
        parts.path_and_query = PathAndQuery::from_maybe_shared(Bytes::from(self.path)).ok();
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        *request.headers_mut() = self.headers;
        request
    }
}

/// Writes the headers for the call's origin: waiting objects, message number, rank and trace.
fn write_origin(origin: &Origin, headers: &mut HeaderMap) {
    if let Some(chain) = origin.chain.as_ref().and_then(|chain| forwarded::write_chain(chain)) {
        headers.insert(CHAIN, chain);
    }
    if let Some(number) = origin.message {
        headers.insert(MESSAGE, HeaderValue::from(number));
    }
    if origin.rank == Rank::Background {
        headers.insert(RANK, HeaderValue::from_static(BACKGROUND));
    }
    // The value was checked to consist of letters, digits and dashes.
    let trace = origin.trace.and_then(|trace| HeaderValue::from_str(trace.as_str()).ok());
    if let Some(trace) = trace {
        headers.insert(TRACE_PARENT, trace);
    }
}

/// Returns the method and the body of a call, and completes its path.
fn asked(
    path: &mut String,
    id: &ObjectId,
    operation: &Operation,
) -> Result<(Method, Bytes), Box<Error>> {
    let asked = match operation {
        Operation::Handle { handler, argument } => match &**handler {
            "get" => (Method::GET, Bytes::new()),
            "put" => (Method::PUT, argument.clone()),
            name if name.is_empty() || route::is_reserved(name) => {
                let text = format!("{name:?} is not a valid name for a handler of {id}");
                let hint = format!("list its handlers: highlander types {}", id.type_name());
                return Err(Box::new(Error::new(ErrorCode::UnknownHandler, text).with_hint(hint)));
            }
            name => {
                push_part(path, name);
                (Method::POST, argument.clone())
            }
        },
        // The other node receives a `GET` too, so that an older build does not call an update.
        Operation::Query { handler, argument } => {
            push_part(path, handler);
            if argument != "null" {
                let argument = utf8_percent_encode(
                    std::str::from_utf8(argument).unwrap_or_default(),
                    PART_SAFE,
                );
                // Writing to a string does not fail.
                let _ = write!(path, "?argument={argument}");
            }
            (Method::GET, Bytes::new())
        }
        Operation::Delete => (Method::DELETE, Bytes::new()),
        Operation::Resume => {
            push_part(path, "quarantine");
            (Method::DELETE, Bytes::new())
        }
        Operation::Watch { .. } => {
            push_part(path, "events");
            (Method::GET, Bytes::new())
        }
        Operation::Wake => {
            path.push_str("/alarms/due");
            (Method::POST, Bytes::new())
        }
        Operation::ShowEffects => {
            path.push_str("/messages");
            (Method::GET, Bytes::new())
        }
        Operation::DeadLetters { action, number } => {
            (given_up(path, "/messages", *action, *number), Bytes::new())
        }
        Operation::FailedAlarms { action, number } => {
            (given_up(path, "/alarms", *action, *number), Bytes::new())
        }
    };
    Ok(asked)
}

/// Completes the path for dead letters or failed alarms, and returns the method.
fn given_up(path: &mut String, what: &str, action: GivenUpAction, number: Option<u64>) -> Method {
    path.push_str(what);
    path.push_str(if action == GivenUpAction::Retry { "/retry" } else { "" });
    if let Some(number) = number {
        // Writing to a string does not fail.
        let _ = write!(path, "?number={number}");
    }
    if action == GivenUpAction::Retry { Method::POST } else { Method::DELETE }
}

fn object_path(id: &ObjectId) -> String {
    let mut path = String::with_capacity(64 + id.as_str().len());
    path.push_str("/v1/objects/");
    path.push_str(id.type_name());
    push_part(&mut path, id.key());
    path
}

fn push_part(path: &mut String, part: &str) {
    // Writing to a string does not fail.
    let _ = write!(path, "/{}", encoded(part));
}

fn encoded(part: &str) -> PercentEncode<'_> {
    utf8_percent_encode(part, PART_SAFE)
}

/// Formats a time in milliseconds, rounded down but at least one.
fn milliseconds(time: Duration) -> HeaderValue {
    let text = format!("{}ms", time.as_millis().max(1));
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("1ms"))
}
