//! Responses for errors, in the only format that they have: a [problem document](crate::wire::problem).
//!
//! A problem contains no paths of a machine and no internals of the host.

use std::borrow::Cow;
use std::time::Duration;

use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::ObjectId;
use highlander_core::json;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};

use super::Reply;
use super::owner::name_owner;
use super::response_body::Content;
use crate::wire::problem::{CONTENT, Document};

/// Error to be sent to a client.
#[derive(Debug)]
pub struct Problem {
    error: Box<Error>,
    object: Option<ObjectId>,
    allow: Option<Cow<'static, str>>,
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
        Document::new(*self.error, self.object.as_ref())
    }

    /// Returns the response.
    pub(crate) fn into_reply(self) -> Reply {
        let code = self.error.code;
        let status =
            StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (retry_after, allow) = (self.error.retry_after, self.allow.clone());
        let owner = self.error.owner.clone();
        let mut reply = Response::new(Content::whole(json::encode(&self.document())));
        *reply.status_mut() = status;
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(pause) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(pause)));
        }
        if let Some(owner) = owner {
            name_owner(headers, &owner);
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
    }
}
