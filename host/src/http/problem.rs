//! The one form of every error: `application/problem+json` as RFC 9457 has it, with Highlander's own members.
//!
//! `type` is `/problems/<code>`, a reference that this node answers with the code's section of `docs/errors.md`.
//! A problem carries no path of a machine and nothing of the host's inside.

use std::borrow::Cow;
use std::time::Duration;

use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::content::Content;
use super::{Reply, reply};
use crate::error::{Code, Error, Refusal};
use crate::id::ObjectId;

/// Media type of a problem.
pub const CONTENT: &str = "application/problem+json";

/// An error on its way to a client.
#[derive(Debug)]
pub struct Problem {
    error: Box<Error>,
    object: Option<ObjectId>,
    allow: Option<Cow<'static, str>>,
}

/// What a problem looks like to a client. The command line reads it back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Document {
    /// Where the code is explained.
    #[serde(rename = "type")]
    pub reference: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong, for people.
    pub detail: String,
    /// What went wrong, for programs.
    pub code: String,
    /// `none`, `applied` or `unknown`.
    pub effect: String,
    /// Whether the very same call may succeed later.
    pub retryable: bool,
    /// The object that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The object's own words, where it rejected the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Rejection>,
}

/// The words with which an object rejects a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rejection {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// What programs may want to know besides, as the object wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<RawValue>>,
}

impl From<Refusal> for Rejection {
    fn from(said: Refusal) -> Self {
        let Refusal { code, message, detail } = said;
        // What was not checked to be JSON is left out.
        let detail = detail.and_then(|detail| serde_json::from_slice(&detail).ok());
        Self { code, message, detail }
    }
}

impl From<Rejection> for Refusal {
    fn from(said: Rejection) -> Self {
        let Rejection { code, message, detail } = said;
        let detail = detail.map(|detail| Box::<str>::from(detail).into_string().into());
        Self { code, message, detail }
    }
}

impl Problem {
    /// A problem with one object.
    #[must_use]
    pub fn of(error: impl Into<Box<Error>>, object: &ObjectId) -> Self {
        Self { error: error.into(), object: Some(object.clone()), allow: None }
    }

    /// The same with the methods that the path takes.
    #[must_use]
    pub fn with_allow(self, methods: impl Into<Cow<'static, str>>) -> Self {
        Self { allow: Some(methods.into()), ..self }
    }

    /// What went wrong.
    #[must_use]
    pub fn code(&self) -> Code {
        self.error.code
    }

    /// The methods that the path takes, where it was the method that did not fit.
    #[must_use]
    pub fn allow(&self) -> Option<&str> {
        self.allow.as_deref()
    }

    /// What a client sees.
    #[must_use]
    pub fn document(self) -> Document {
        let Error { code, message, hint, refusal, .. } = *self.error;
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
            rejection: refusal.map(|said| Rejection::from(*said)),
        }
    }

    /// The answer.
    pub(crate) fn into_reply(self) -> Reply {
        let code = self.error.code;
        let status =
            StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (retry_after, allow) = (self.error.retry_after, self.allow.clone());
        let owner = self.error.owner.clone();
        // Writing plain text members as JSON does not fail.
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
            reply::name_owner(headers, &owner);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // Names of methods.
        if let Some(methods) = allow.and_then(|methods| HeaderValue::from_str(&methods).ok()) {
            headers.insert(ALLOW, methods);
        }
        if code == Code::UnsupportedEncoding {
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

/// `Retry-After` knows seconds only; less than one is one.
fn whole_seconds(pause: Duration) -> u64 {
    pause.as_secs() + u64::from(pause.subsec_nanos() > 0)
}

fn title(code: Code) -> String {
    let words = code.as_str().replace('-', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_all_that_it_knows() {
        let error = Error::new(Code::MailboxFull, "todo/42 has 128 calls waiting")
            .with_hint("wait")
            .with_retry_after(Duration::from_millis(1500));
        let problem = Problem::of(error, &"todo/42".parse().unwrap());
        let reply = problem.into_reply();
        assert_eq!(
            (reply.status().as_u16(), &reply.headers()[RETRY_AFTER]),
            (429, &"2".parse().unwrap())
        );
        let error = Error::new(Code::OutcomeUnknown, "no answer");
        let document = serde_json::to_value(Problem::from(error).document()).unwrap();
        let expected = serde_json::json!({
            "type": "/problems/outcome-unknown", "title": "Outcome unknown", "status": 504, "detail": "no answer",
            "code": "outcome-unknown", "effect": "unknown", "retryable": true,
        });
        assert_eq!(document, expected);
    }
}
