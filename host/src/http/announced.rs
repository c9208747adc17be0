//! Validates a request by its head before any of the body is read.
//!
//! A client that waits for `100 Continue` gets the error instead and keeps its body. Other clients get the same
//! errors, in the same order of checks.

use http::header::EXPECT;
use http::request::Parts;
use http::{HeaderMap, Version};
use hyper::body::{Body as _, Incoming};

use super::problem::Problem;
use super::route::Route;
use super::{Config, conditions, rehearsals, request, types};
use crate::error::{Code, Error};
use crate::limits::ARGUMENT_BYTES_MAX;

const JSON: &str = "application/json";
const WASM: &str = "application/wasm";

/// Rejects a body that is too large or of the wrong media type, and a call whose headers are invalid. A request
/// without a body is validated by its route.
pub(super) fn check(
    parts: &Parts,
    route: &Route<'_>,
    body: &Incoming,
    config: &Config,
) -> Result<(), Problem> {
    if body.is_end_stream() {
        return Ok(());
    }
    let declared = body.size_hint().lower();
    match route {
        Route::Call { id, .. } | Route::Put(id) => {
            check_body(&parts.headers, declared, (JSON, ARGUMENT_BYTES_MAX))
                .and_then(|()| check_call(&parts.headers, config))
                .map_err(|error| Problem::of(error, id))
        }
        Route::RehearsalShare(_) => {
            Ok(check_body(&parts.headers, declared, (JSON, ARGUMENT_BYTES_MAX))?)
        }
        Route::Deploy => {
            check_component(parts, declared, config)?;
            Ok(types::check_parameters(parts)?)
        }
        Route::Rehearse => {
            check_component(parts, declared, config)?;
            Ok(rehearsals::check_parameters(parts)?)
        }
        _ => Ok(()),
    }
}

/// Whether the client waits for `100 Continue` before it sends its body.
pub(super) fn awaits_continue(version: Version, headers: &HeaderMap) -> bool {
    let expected = headers.get(EXPECT);
    version == Version::HTTP_11
        && expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn check_component(parts: &Parts, declared: u64, config: &Config) -> Result<(), Error> {
    let checked = check_body(&parts.headers, declared, (WASM, config.component_max));
    checked.map_err(|error| match error.code {
        Code::BodyTooLarge => error.with_hint("the node's limit is node.component_max"),
        _ => error,
    })
}

fn check_body(
    headers: &HeaderMap,
    declared: u64,
    (media_type, bytes_max): (&str, usize),
) -> Result<(), Error> {
    if declared > bytes_max as u64 {
        return Err(super::body::too_large(bytes_max));
    }
    request::check_content_type(headers, media_type)
}

/// Validates all headers of a call. The route parses them again later.
fn check_call(headers: &HeaderMap, config: &Config) -> Result<(), Error> {
    conditions::of_change(headers)?;
    request::consistency(headers)?;
    request::timeout(headers, config.call_timeout)?;
    request::idempotency_key(headers)?;
    request::origin(headers)?;
    request::context(headers)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn who_waits_to_be_told_says_so_in_http_1_1() {
        let awaits = |version, value| {
            let headers = HeaderMap::from_iter([(EXPECT, HeaderValue::from_static(value))]);
            awaits_continue(version, &headers)
        };
        assert!(awaits(Version::HTTP_11, "100-continue"));
        assert!(awaits(Version::HTTP_11, "100-Continue"));
        assert!(!awaits(Version::HTTP_10, "100-continue"));
        assert!(!awaits(Version::HTTP_2, "100-continue"));
        assert!(!awaits(Version::HTTP_11, "200-ok"));
        assert!(!awaits_continue(Version::HTTP_11, &HeaderMap::new()));
    }

    #[test]
    fn a_body_is_judged_by_what_is_said_of_it() {
        let check = |media_type: &'static str, declared| {
            let media_type = HeaderValue::from_static(media_type);
            let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, media_type)]);
            check_body(&headers, declared, (JSON, 10)).err().map(|error| error.code)
        };
        assert_eq!(check(JSON, 10), None);
        assert_eq!(check(JSON, 11), Some(Code::BodyTooLarge));
        assert_eq!(check("text/plain", 10), Some(Code::MalformedRequest));
    }
}
