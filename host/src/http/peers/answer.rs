//! Parses the responses of other nodes: pure functions of head and body.
//!
//! A success is parsed from its headers, and the reply is passed on unchanged, except that to a wake-up. A response
//! that cannot be parsed is reported as such: a wrong guess would turn "unknown" into "not executed".

use std::time::Duration;

use bytes::Bytes;
use highlander_core::activation::reply::Reply;
use highlander_core::activation::{Done, Operation};
use highlander_core::error::{Effect, Error, ErrorCode, Rejection};
use highlander_core::id::NodeId;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::response::Parts;
use http::{HeaderMap, HeaderName, StatusCode};
use serde::de::DeserializeOwned;

use super::super::owner::OWNER;
use super::super::response::{EPOCH, NODE, REPLAYED, REVISION, VERSION};
use crate::router::peers::RoutedAnswer;
use crate::wire::problem::{CONTENT, Document};

/// Maximum length of a node's name.
const NODE_BYTES_MAX: usize = 128;

/// Parses the response to a call of this operation, or returns why that is not possible.
pub(super) fn heard(
    parts: &Parts,
    body: Bytes,
    operation: &Operation,
) -> Result<RoutedAnswer, String> {
    if parts.status != StatusCode::OK {
        let answer = Err(Box::new(error(parts, &body)?));
        return Ok(RoutedAnswer::here(answer));
    }
    let headers = &parts.headers;
    let done = Done {
        reply: reply(body, operation)?,
        version: number(headers, &VERSION)?,
        epoch: number(headers, &EPOCH)?,
        revision: number(headers, &REVISION)?,
        replayed: headers.contains_key(REPLAYED),
    };
    // The node that responds may not be the expected one, because a name or an address can be reused.
    let owner = match owner(headers)? {
        Some(owner) => Some(owner),
        None => node_in(headers, &NODE)?,
    };
    Ok(RoutedAnswer { answer: Ok(done), owner })
}

/// Parses the reply that this node itself evaluates. All others are passed on unchanged.
fn reply(body: Bytes, operation: &Operation) -> Result<Reply, String> {
    if *operation != Operation::Wake {
        return Ok(Reply::Json(body));
    }
    let read = serde_json::from_slice(&body);
    let result = read.map_err(|error| format!("sent a reply that cannot be read: {error}"))?;
    Ok(Reply::Woken(Box::new(result)))
}

/// Parses a document or the node's error, or returns why neither is possible.
pub(super) fn document<D: DeserializeOwned>(
    parts: &Parts,
    body: &[u8],
) -> Result<Result<D, Error>, String> {
    if !parts.status.is_success() {
        return error(parts, body).map(Err);
    }
    let read = serde_json::from_slice(body);
    read.map(Ok).map_err(|error| format!("sent a document that cannot be read: {error}"))
}

pub(super) fn error(parts: &Parts, body: &[u8]) -> Result<Error, String> {
    let status = parts.status;
    if parts.headers.get(CONTENT_TYPE).is_none_or(|media_type| media_type != CONTENT) {
        return Err(format!("responded with the status {status}, without a reason"));
    }
    let read = serde_json::from_slice(body);
    let said: Document =
        read.map_err(|error| format!("sent a problem document that cannot be read: {error}"))?;
    let code = match ErrorCode::from_word(&said.code) {
        Some(code) if code.effect().as_str() == said.effect => code,
        // Code of another build: it is enough for the caller to learn that nothing was executed.
        None if said.effect == Effect::None.as_str() => ErrorCode::Internal,
        _ => {
            return Err(format!(
                "sent the error {:?} with the unexpected effect {:?}",
                said.code, said.effect
            ));
        }
    };
    let refusal = said.rejection.map(|said| Box::new(Rejection::from(said)));
    let pause = parts.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Ok(Error {
        hint: said.hint,
        rejection: refusal,
        retry_after: pause.map(Duration::from_secs),
        owner: owner(&parts.headers)?,
        ..Error::new(code, said.detail)
    })
}

fn owner(headers: &HeaderMap) -> Result<Option<NodeId>, String> {
    node_in(headers, &OWNER)
}

fn node_in(headers: &HeaderMap, header: &HeaderName) -> Result<Option<NodeId>, String> {
    let Some(value) = headers.get(header) else { return Ok(None) };
    let name = value.to_str().ok().filter(|name| (1..=NODE_BYTES_MAX).contains(&name.len()));
    let name = name.ok_or_else(|| "sent the name of a node that is not valid".to_owned())?;
    Ok(Some(NodeId::new(name)))
}

fn number<N: std::str::FromStr>(headers: &HeaderMap, name: &HeaderName) -> Result<N, String> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    let number = value.and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("sent a response without a valid {name}"))
}

#[cfg(test)]
mod tests {
    use super::super::super::{problem::Problem, response};
    use super::*;
    use highlander_core::activation::Answer;
    use highlander_core::activation::effects::view::WakeResult;

    /// Parses a response that this node would give.
    fn round_trip(
        answer: Answer,
        owner: Option<&str>,
        operation: &Operation,
    ) -> Result<RoutedAnswer, String> {
        let owner = owner.map(NodeId::new);
        let reply = match answer {
            Ok(done) => response::done(done, owner.as_ref()),
            Err(error) => Problem::of(error, &"todo/1".parse().unwrap()).into_reply(),
        };
        let (parts, body) = reply.into_parts();
        let body = futures_util::FutureExt::now_or_never(http_body_util::BodyExt::collect(body));
        heard(&parts, body.unwrap().unwrap().to_bytes(), operation)
    }

    fn done() -> Done {
        let reply = Reply::Json("[1, 2]".into());
        Done { reply, version: u64::MAX, epoch: 7, revision: 3, replayed: true }
    }

    #[test]
    fn what_was_done_is_read_as_it_was_written() {
        let first = Done { replayed: false, ..done() };
        for done in [done(), first] {
            let heard = round_trip(Ok(done.clone()), None, &Operation::Delete);
            assert_eq!(heard, Ok(RoutedAnswer { answer: Ok(done), owner: None }));
        }
        let heard = round_trip(Ok(done()), Some("node-2"), &Operation::Delete).unwrap();
        assert_eq!(heard.owner, Some(NodeId::new("node-2")));
    }

    #[test]
    fn the_reply_to_a_wake_up_is_typed_again() {
        let result = WakeResult { fired: Some("tick".to_owned()), nonces: vec!["07".to_owned()] };
        let woken = Done { reply: Reply::Woken(Box::new(result)), ..done() };
        let heard = round_trip(Ok(woken.clone()), None, &Operation::Wake);
        assert_eq!(heard.map(|heard| heard.answer), Ok(Ok(woken)));
        let other = round_trip(Ok(done()), None, &Operation::Wake);
        assert!(other.unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn every_error_is_read_as_it_was_written() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_word(code.as_str()), Some(*code));
            let plain = Error::new(*code, "so it was");
            // More digits than a float holds: the detail must be passed on unchanged.
            let detail = Some("{\"left\": [1e0, 0.12345678901234567890123]}".into());
            let (code, message) = ("full".to_owned(), "no more".to_owned());
            let refusal = Rejection { code, message, detail };
            let whole = Error { rejection: Some(Box::new(refusal)), ..plain.clone() }
                .with_hint("do this")
                .with_retry_after(Duration::from_secs(3))
                .with_owner(NodeId::new("node-2"));
            for error in [plain, whole] {
                let heard = round_trip(Err(Box::new(error.clone())), None, &Operation::Wake);
                assert_eq!(heard.map(|heard| heard.answer), Ok(Err(Box::new(error))));
            }
        }
    }

    #[test]
    fn what_cannot_be_understood_is_no_answer() {
        let problem = |status: u16, body: &str| {
            let response = http::Response::builder().status(status).header(CONTENT_TYPE, CONTENT);
            let (parts, ()) = response.body(()).unwrap().into_parts();
            heard(&parts, body.to_owned().into(), &Operation::Delete)
        };
        let document = |code: &str, effect: &str| {
            let rest = r#""type":"","title":"","status":503,"detail":"d","retryable":true"#;
            format!(r#"{{{rest},"code":"{code}","effect":"{effect}"}}"#)
        };
        assert!(problem(503, &document("draining", "none")).is_ok());
        let unheard_of = problem(503, &document("something-new", "none")).unwrap();
        assert_eq!(unheard_of.answer.unwrap_err().code, ErrorCode::Internal);
        for body in [
            document("draining", "unknown"),
            document("something-new", "unknown"),
            document("outcome-unknown", "none"),
            "{}".to_owned(),
            "<html>".to_owned(),
        ] {
            assert!(problem(503, &body).is_err(), "{body}");
        }
        assert!(problem(200, "1").is_err(), "no version");
        let (parts, ()) = http::Response::builder().status(431).body(()).unwrap().into_parts();
        assert!(heard(&parts, Bytes::new(), &Operation::Delete).is_err(), "no document");
    }
}
