//! Parses the headers of a request and checks its body: timeout, idempotency key, origin, and whether the body is JSON.
//!
//! Every header is parsed in this module, `head`, `conditions` or `media`, and nowhere else. An invalid header is
//! rejected, never ignored.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highlander_core::activation::Consistency;
use highlander_core::call_context::trace::TraceParent;
use highlander_core::call_context::{Origin, Rank};
use highlander_core::caller::Caller;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::events::event_id::EventId;
use highlander_core::json::is_json;
use highlander_core::limits::{CALL_TIMEOUT_MAX, IDEMPOTENCY_KEY_BYTES_MAX};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::auth::forwarded;
use crate::router::context::Context;

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(super) const TIMEOUT: HeaderName = HeaderName::from_static("highlander-timeout");
pub(super) const CONSISTENCY: HeaderName = HeaderName::from_static("highlander-consistency");
pub(super) const HOPS: HeaderName = HeaderName::from_static("highlander-hops");
/// The call's caller, as reported by another node.
pub(super) const CALLER: HeaderName = HeaderName::from_static("highlander-caller");
/// The last event that a watching client received.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The objects that wait for the call, as reported by another node.
pub(super) const CHAIN: HeaderName = HeaderName::from_static("highlander-chain");
/// The number of the message that the call delivers, as reported by another node.
pub(super) const MESSAGE: HeaderName = HeaderName::from_static("highlander-message");
/// The rank of the call, as reported by another node or chosen by a client.
pub(super) const RANK: HeaderName = HeaderName::from_static("highlander-rank");
/// The only value of [`RANK`]. Without the header, a call has the rank of clients.
pub(super) const BACKGROUND: &str = "background";
pub(super) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const NULL: Bytes = Bytes::from_static(b"null");

/// Returns the time for which the caller waits.
pub(super) fn timeout(headers: &HeaderMap, default: Duration) -> Result<Duration, Error> {
    let Some(value) = headers.get(TIMEOUT) else { return Ok(default) };
    let text = value.to_str().unwrap_or_default();
    let read = humantime_serde::re::humantime::parse_duration(text).ok();
    read.filter(|timeout| !timeout.is_zero() && *timeout <= CALL_TIMEOUT_MAX).ok_or_else(|| {
        let minutes = CALL_TIMEOUT_MAX.as_secs() / 60;
        let text = format!(
            "Highlander-Timeout is not valid; expected a duration of at most {minutes} minutes"
        );
        malformed(text).with_hint("give a number with a unit, for example 5s or 500ms")
    })
}

/// Returns how the request was routed here.
///
/// Nodes report how often they have forwarded a call, and the number is not verified. A client can also send it,
/// but only loses the forwarding and the waiting that its call could benefit from.
pub(super) fn context(headers: &HeaderMap) -> Result<Context, Error> {
    let hops = match headers.get(HOPS) {
        None => 0,
        Some(value) => {
            let text = value.to_str().unwrap_or_default();
            let is_number =
                (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            let hops = text.parse().ok().filter(|_| is_number);
            hops.ok_or_else(|| {
                malformed("Highlander-Hops is not valid; expected a number from 0 to 255")
            })?
        }
    };
    Ok(Context { hops })
}

/// Parses the call's origin. Only a node may send the chain and the message, which `auth` enforces.
pub(super) fn origin(headers: &HeaderMap) -> Result<Origin, Error> {
    // As the specification requires, a malformed or repeated header does not make the call fail.
    let mut traces = headers.get_all(TRACE_PARENT).iter();
    let trace = traces.next().filter(|_| traces.next().is_none());
    let trace = trace.and_then(|value| TraceParent::parse(value.to_str().ok()?));
    let chain = headers.get(CHAIN).map(|value| {
        forwarded::read_chain(value)
            .ok_or_else(|| malformed("Highlander-Chain is not valid; expected a chain"))
    });
    let message = headers.get(MESSAGE).map(|value| {
        let number = value.to_str().ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| malformed("Highlander-Message is not valid; expected a number"))
    });
    let chain = chain.transpose()?.map(Arc::new);
    Ok(Origin { chain, message: message.transpose()?, trace, rank: rank(headers)? })
}

/// Parses the rank of the call. It is not verified: a client that sends it only lets others pass.
fn rank(headers: &HeaderMap) -> Result<Rank, Error> {
    match headers.get(RANK) {
        None => Ok(Rank::Client),
        Some(value) if value == BACKGROUND => Ok(Rank::Background),
        Some(_) => Err(malformed("Highlander-Rank is not valid; expected background")),
    }
}

/// Returns the caller that was authenticated for the request.
pub(super) fn caller(parts: &Parts) -> Caller {
    parts.extensions.get().cloned().unwrap_or_default()
}

/// Parses the consistency that the caller requests.
pub(super) fn consistency(headers: &HeaderMap) -> Result<Consistency, Error> {
    match headers.get(CONSISTENCY) {
        None => Ok(Consistency::Lease),
        Some(value) if value == "strict" => Ok(Consistency::Strict),
        Some(_) => Err(malformed("Highlander-Consistency is not valid; expected strict")),
    }
}

/// Parses the key that identifies retries of the call.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| {
        (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic())
    });
    key.map(Some).ok_or_else(|| {
        malformed(format!(
            "Idempotency-Key is not valid; expected 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters"
        ))
    })
}

/// Parses the id of the last event that a watching client received. The outer `None` means that there is no header, the
/// inner one that it is empty.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<Option<EventId>>, Error> {
    let value = headers.get(LAST_EVENT_ID);
    value.map(|value| event_id(value.to_str().unwrap_or("?"))).transpose()
}

/// Parses the id of an event; `None` if it is empty.
pub(super) fn event_id(text: &str) -> Result<Option<EventId>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| {
        malformed(format!("Last-Event-ID: {error}"))
            .with_hint("use the id of an event of this object, or omit the header")
    })
}

/// Returns the body as an argument: one JSON value, or `null` if the body is empty.
pub(super) fn json_argument(body: Bytes) -> Result<Bytes, Error> {
    if body.is_empty() {
        return Ok(NULL);
    }
    if !is_json(&body) {
        return Err(malformed("the body is not valid; expected one JSON value in UTF-8"));
    }
    Ok(body)
}

/// Returns the parameter as an argument: one JSON value, or `null` if the parameter is empty or missing.
pub(super) fn json_text(text: Bytes) -> Result<Bytes, Error> {
    match text.is_empty() {
        true => Ok(NULL),
        false if is_json(&text) => Ok(text),
        false => Err(malformed("the parameter \"argument\" is not valid; expected one JSON value")),
    }
}

/// Maximum number of characters of a media type that an error repeats.
const CONTENT_TYPE_CHARS_MAX: usize = 80;

/// Rejects a body of another media type. A body without a media type is accepted.
pub(super) fn check_content_type(headers: &HeaderMap, expected: &str) -> Result<(), Error> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let media_type = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    if media_type.trim().eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let sent: String = media_type.trim().escape_debug().take(CONTENT_TYPE_CHARS_MAX).collect();
    let hint = match sent.as_str() {
        "text/plain" => " (fetch sends text/plain for a string unless another type is set)",
        "application/x-www-form-urlencoded" => {
            " (curl -d sends it unless another type is set: use --json)"
        }
        _ => "",
    };
    Err(malformed(format!("Content-Type is {sent}; expected {expected} or none{hint}")))
}

pub(super) fn malformed(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::MalformedRequest, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn times_need_units_and_have_a_bound() {
        let read = |text| timeout(&headers(TIMEOUT, text), Duration::ZERO).ok();
        assert_eq!(read("5s"), Some(Duration::from_secs(5)));
        assert_eq!(read("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(read("5m"), Some(CALL_TIMEOUT_MAX));
        for bad in ["5", "", "0", "0s", "5m 1ms", "-1s", "s", "soon", "99999999999999999999s"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn hops_are_a_small_number_and_traces_no_reason_to_refuse() {
        let read = |value| context(&headers(HOPS, value)).ok().map(|context| context.hops);
        assert_eq!((read("0"), read("2"), read("255")), (Some(0), Some(2), Some(255)));
        for bad in ["", "-1", "+1", "256", "1.0", "one", "0001"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(context(&HeaderMap::new()).unwrap(), Context::default());
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = |value| origin(&headers(TRACE_PARENT, value)).unwrap().trace;
        assert_eq!(trace(good).map(|trace| trace.as_str().to_owned()).as_deref(), Some(good));
        assert_eq!(trace("whatever"), None);
        let mut twice = headers(TRACE_PARENT, good);
        twice.append(TRACE_PARENT, good.parse().unwrap());
        assert_eq!(origin(&twice).unwrap().trace, None, "none of several is the one");
    }

    #[test]
    fn idempotency_keys_are_visible_ascii() {
        let longest = "k".repeat(128);
        for good in ["k", "!~", &longest] {
            assert_eq!(idempotency_key(&headers(IDEMPOTENCY_KEY, good)).unwrap(), Some(good));
        }
        for bad in ["", "a b", &"k".repeat(129)] {
            assert!(idempotency_key(&headers(IDEMPOTENCY_KEY, bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_body_is_one_json_value_or_nothing() {
        let read = |body: &'static str| json_argument(body.into()).ok();
        assert_eq!(read(""), Some(NULL));
        assert_eq!(read(" {\"a\": 1}\n"), Some(" {\"a\": 1}\n".into()));
        for bad in ["{", "1 2", "nul", "'a'", "\u{feff}1"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
