//! What a request says beside its path: time, idempotency key, conditions, and whether its body is JSON.
//!
//! Each header is read here and nowhere else. A header that cannot be understood is refused, never passed over: a
//! caller that sets a condition relies on it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::access::vouched;
use crate::activation::{Consistency, Precondition};
use crate::caller::Caller;
use crate::error::{Code, Error};
use crate::json::is_json;
use crate::limits::{CALL_TIMEOUT_MAX, IDEMPOTENCY_KEY_BYTES_MAX};
use crate::origin::Origin;
use crate::origin::trace::TraceParent;
use crate::router::context::Context;
use crate::store::record::Version;

/// Longest path and query.
pub(super) const URL_BYTES_MAX: usize = 2048;

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(super) const TIMEOUT: HeaderName = HeaderName::from_static("highlander-timeout");
pub(super) const CONSISTENCY: HeaderName = HeaderName::from_static("highlander-consistency");
pub(super) const HOPS: HeaderName = HeaderName::from_static("highlander-hops");
/// Who calls, as another node says.
pub(super) const CALLER: HeaderName = HeaderName::from_static("highlander-caller");
/// What a client that watches has seen.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The objects that wait for the call, as another node says.
pub(super) const CHAIN: HeaderName = HeaderName::from_static("highlander-chain");
/// The number of the message that the call delivers, as another node says.
pub(super) const MESSAGE: HeaderName = HeaderName::from_static("highlander-message");
pub(super) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const NULL: Bytes = Bytes::from_static(b"null");

/// Refuses a head that is too long in parts that hyper does not bound.
pub(super) fn check_head(parts: &Parts) -> Result<(), Error> {
    let url = parts.uri.path_and_query().map_or(0, |url| url.as_str().len());
    if url > URL_BYTES_MAX {
        let text = format!("the URL has {url} bytes, and may have {URL_BYTES_MAX}");
        return Err(Error::new(Code::HeadTooLarge, text));
    }
    Ok(())
}

/// How long the caller waits.
pub(super) fn timeout(headers: &HeaderMap, default: Duration) -> Result<Duration, Error> {
    let Some(value) = headers.get(TIMEOUT) else { return Ok(default) };
    let text = value.to_str().unwrap_or_default();
    let read = humantime_serde::re::humantime::parse_duration(text).ok();
    read.filter(|timeout| !timeout.is_zero() && *timeout <= CALL_TIMEOUT_MAX).ok_or_else(|| {
        let minutes = CALL_TIMEOUT_MAX.as_secs() / 60;
        let text = format!("Highlander-Timeout is no time with a unit, up to {minutes} minutes");
        malformed(text).with_hint("write it like 5s or 500ms")
    })
}

/// How the request came here.
///
/// Nodes say how often they have forwarded a call, and are believed, and so is a client that says so: it only takes
/// from
/// its own call what forwarding and waiting could do for it.
pub(super) fn context(headers: &HeaderMap) -> Result<Context, Error> {
    let hops = match headers.get(HOPS) {
        None => 0,
        Some(value) => {
            let text = value.to_str().unwrap_or_default();
            let is_number =
                (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            let hops = text.parse().ok().filter(|_| is_number);
            hops.ok_or_else(|| malformed("Highlander-Hops is a number from 0 to 255"))?
        }
    };
    Ok(Context { hops })
}

/// How the call came about besides. Only a node can say more than the trace: that is checked where callers are.
pub(super) fn origin(headers: &HeaderMap) -> Result<Origin, Error> {
    // One that is malformed is no reason to refuse the call: so says its specification.
    let trace =
        headers.get(TRACE_PARENT).and_then(|value| TraceParent::parse(value.to_str().ok()?));
    let chain = headers.get(CHAIN).map(|value| {
        vouched::read_chain(value).ok_or_else(|| malformed("Highlander-Chain names no chain"))
    });
    let message = headers.get(MESSAGE).map(|value| {
        let number = value.to_str().ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| malformed("Highlander-Message is a number"))
    });
    let chain = chain.transpose()?.map(Arc::new);
    Ok(Origin { chain, message: message.transpose()?, trace })
}

/// Who was found to make the request.
pub(super) fn caller(parts: &Parts) -> Caller {
    parts.extensions.get().cloned().unwrap_or_default()
}

/// How sure the caller wants to be.
pub(super) fn consistency(headers: &HeaderMap) -> Result<Consistency, Error> {
    match headers.get(CONSISTENCY) {
        None => Ok(Consistency::Lease),
        Some(value) if value == "strict" => Ok(Consistency::Strict),
        Some(_) => Err(malformed("Highlander-Consistency has one value: strict")),
    }
}

/// The caller's mark of the call.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| {
        (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic())
    });
    match (key, values.next()) {
        (Some(key), None) => Ok(Some(key)),
        _ => Err(malformed(format!(
            "Idempotency-Key is one of 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters"
        ))),
    }
}

/// The condition under which the call may run.
pub(super) fn precondition(headers: &HeaderMap) -> Result<Precondition, Error> {
    match (headers.get(IF_MATCH), headers.get(IF_NONE_MATCH)) {
        (None, None) => Ok(Precondition::None),
        (Some(tag), None) => {
            let version = tag.to_str().ok().and_then(version_of_tag);
            version.map(Precondition::Version).ok_or_else(|| {
                malformed("If-Match takes one version in quotes")
                    .with_hint("take it from the ETag of an earlier answer: If-Match: \"7\"")
            })
        }
        (None, Some(tag)) if tag == "*" => Ok(Precondition::Absent),
        (None, Some(_)) => Err(malformed("If-None-Match takes * alone")),
        (Some(_), Some(_)) => Err(malformed("If-Match and If-None-Match exclude each other")),
    }
}

/// The condition under which the state may be read. A client's `If-None-Match` is about the answer, and is looked at
/// then; another node means by it what it means elsewhere.
pub(super) fn read_precondition(
    headers: &HeaderMap,
    context: Context,
) -> Result<Precondition, Error> {
    if context.hops > 0 || headers.contains_key(IF_MATCH) {
        precondition(headers)
    } else {
        Ok(Precondition::None)
    }
}

/// Whether the caller has this version already.
pub(super) fn is_known(headers: &HeaderMap, version: Version) -> bool {
    let tag = headers.get(IF_NONE_MATCH).and_then(|tag| tag.to_str().ok());
    tag.and_then(version_of_tag) == Some(version)
}

fn version_of_tag(tag: &str) -> Option<Version> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    // `parse` would take a sign too.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The argument that a body is: one JSON value, or `null` where there is none.
pub(super) fn json_argument(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Error> {
    if body.is_empty() {
        return Ok(NULL);
    }
    check_content_type(headers, "application/json")?;
    if !is_json(&body) {
        return Err(malformed("the body is not one JSON value in UTF-8"));
    }
    Ok(body)
}

/// Refuses a body that says it is something else. One that says nothing is taken.
pub(super) fn check_content_type(headers: &HeaderMap, expected: &str) -> Result<(), Error> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let media_type = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    if media_type.trim().eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(malformed(format!("the body's Content-Type is not {expected}")))
}

pub(super) fn malformed(text: impl Into<String>) -> Error {
    Error::new(Code::MalformedRequest, text)
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
    fn conditions_are_one_version_or_absence() {
        let read = |name, value| precondition(&headers(name, value)).ok();
        assert_eq!(read(IF_MATCH, "\"7\""), Some(Precondition::Version(7)));
        assert_eq!(read(IF_NONE_MATCH, "*"), Some(Precondition::Absent));
        for bad in
            ["7", "W/\"7\"", "\"7\", \"8\"", "*", "\"\"", "\"+7\"", "\"18446744073709551616\""]
        {
            assert_eq!(read(IF_MATCH, bad), None, "{bad:?}");
        }
        assert_eq!(read(IF_NONE_MATCH, "\"7\""), None);
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
        let mut twice = headers(IDEMPOTENCY_KEY, "a");
        twice.append(IDEMPOTENCY_KEY, "b".parse().unwrap());
        assert!(idempotency_key(&twice).is_err());
    }

    #[test]
    fn a_body_is_one_json_value_or_nothing() {
        let read = |body: &'static str| json_argument(&HeaderMap::new(), body.into()).ok();
        assert_eq!(read(""), Some(NULL));
        assert_eq!(read(" {\"a\": 1}\n"), Some(" {\"a\": 1}\n".into()));
        for bad in ["{", "1 2", "nul", "'a'", "\u{feff}1"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert!(json_argument(&headers(CONTENT_TYPE, "text/plain"), "1".into()).is_err());
        for good in ["application/json", "Application/JSON; charset=utf-8"] {
            assert!(json_argument(&headers(CONTENT_TYPE, good), "1".into()).is_ok());
        }
    }
}
