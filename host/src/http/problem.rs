//! The only format for errors: `application/problem+json` (RFC 9457) with Highlander's extension members.
//!
//! `type` is `/problems/<code>`, under which the node serves the code's section of `docs/errors.md`. A problem
//! contains no paths of a machine and no internals of the host.

use std::borrow::Cow;
use std::time::Duration;

use highlander_core::error::{Error, ErrorCode, Rejection};
use highlander_core::id::ObjectId;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::response_body::Content;
use super::{Reply, response};

/// Media type of a problem.
pub const CONTENT: &str = "application/problem+json";

/// Error to be sent to a client.
#[derive(Debug)]
pub struct Problem {
    error: Box<Error>,
    object: Option<ObjectId>,
    allow: Option<Cow<'static, str>>,
}

/// Problem as clients see it. The command line parses it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Document {
    /// URL that explains the code.
    #[serde(rename = "type")]
    pub reference: String,
    /// Title of the error, derived from the code.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Description of the error, for people.
    pub detail: String,
    /// Error code, for programs.
    pub code: String,
    /// `none`, `applied` or `unknown`.
    pub effect: String,
    /// Whether the identical call may succeed later.
    pub retryable: bool,
    /// The object that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Suggested next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The object's own error, if it rejected the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<RejectionBody>,
}

/// Error with which an object rejects a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RejectionBody {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// Additional data for programs, as the object wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<RawValue>>,
}

impl From<Rejection> for RejectionBody {
    fn from(said: Rejection) -> Self {
        let Rejection { code, message, detail } = said;
        // Text that is not valid JSON is omitted.
        let detail = detail.and_then(|detail| serde_json::from_slice(&detail).ok());
        Self { code, message, detail }
    }
}

impl From<RejectionBody> for Rejection {
    fn from(said: RejectionBody) -> Self {
        let RejectionBody { code, message, detail } = said;
        let detail = detail.map(|detail| Box::<str>::from(detail).into_string().into());
        Self { code, message, detail }
    }
}

impl Problem {
    /// Creates a problem with one object.
    #[must_use]
    pub fn of(error: impl Into<Box<Error>>, object: &ObjectId) -> Self {
        Self { error: error.into(), object: Some(object.clone()), allow: None }
    }

    /// Adds the methods that the path accepts.
    #[must_use]
    pub fn with_allow(self, methods: impl Into<Cow<'static, str>>) -> Self {
        Self { allow: Some(methods.into()), ..self }
    }

    /// Returns the error code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.error.code
    }

    /// Returns the methods that the path accepts, if the method was the problem.
    #[must_use]
    pub fn allow(&self) -> Option<&str> {
        self.allow.as_deref()
    }

    /// Returns the problem as clients see it.
    #[must_use]
    pub fn document(self) -> Document {
        let Error { code, message, hint, rejection: refusal, .. } = *self.error;
        Document {
            reference: format!("/problems/{code}"),
            title: title(code),
            status: code.status(),
            detail: message,
            code: code.as_str().to_owned(),
            effect: code.effect().as_str().to_owned(),
            retryable: code.is_retryable(),
            object: self.object.map(|id| id.as_str().to_owned()),
            hint,
            rejection: refusal.map(|said| RejectionBody::from(*said)),
        }
    }

    /// Returns the response.
    pub(crate) fn into_reply(self) -> Reply {
        let code = self.error.code;
        let status =
            StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (retry_after, allow) = (self.error.retry_after, self.allow.clone());
        let owner = self.error.owner.clone();
        // Serializing members of plain text does not fail.
        let document = serde_json::to_vec(&self.document()).unwrap_or_default();
        let mut reply = Response::new(Content::whole(document));
        *reply.status_mut() = status;
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(pause) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(pause)));
        }
        if let Some(owner) = owner {
            response::name_owner(headers, &owner);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // Names of methods are valid header values.
        if let Some(methods) = allow.and_then(|methods| HeaderValue::from_str(&methods).ok()) {
            headers.insert(ALLOW, methods);
        }
        if code == ErrorCode::UnsupportedEncoding {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        reply
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self { error: Box::new(error), object: None, allow: None }
    }
}

/// Rounds up to whole seconds, the unit of `Retry-After`.
fn whole_seconds(pause: Duration) -> u64 {
    pause.as_secs() + u64::from(pause.subsec_nanos() > 0)
}

fn title(code: ErrorCode) -> String {
    let words = code.as_str().replace('-', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_all_that_it_knows() {
        let error = Error::new(ErrorCode::MailboxFull, "todo/42 has 128 calls waiting")
            .with_hint("wait")
            .with_retry_after(Duration::from_millis(1500));
        let problem = Problem::of(error, &"todo/42".parse().unwrap());
        let reply = problem.into_reply();
        assert_eq!(
            (reply.status().as_u16(), &reply.headers()[RETRY_AFTER]),
            (429, &"2".parse().unwrap())
        );
        let error = Error::new(ErrorCode::OutcomeUnknown, "no answer");
        let document = serde_json::to_value(Problem::from(error).document()).unwrap();
        let expected = serde_json::json!({
            "type": "/problems/outcome-unknown", "title": "Outcome unknown", "status": 504, "detail": "no answer",
            "code": "outcome-unknown", "effect": "unknown", "retryable": true,
        });
        assert_eq!(document, expected);
    }
}
