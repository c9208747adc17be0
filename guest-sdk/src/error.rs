//! Errors of calls to other objects, and of requested effects.
//!
//! Owns [`CallError`] and [`EffectError`], and the conversion of both into the [`Rejection`] of the calling
//! handler.

use std::fmt;

use crate::call::HandlerError;
use crate::rejection::Rejection;

/// Reason why the call of another object has no reply.
///
/// [`Unknown`](CallError::Unknown) means that the call may have taken effect, and
/// [`ReplyUnreadable`](CallError::ReplyUnreadable) that it did. With every other variant, the call changed nothing
/// in the called object.
///
/// With `?`, it becomes the rejection of the calling handler. A rejection by the called object is passed on
/// unchanged, with its detail. The other variants have separate codes: see [`code`](CallError::code).
///
/// # Examples
///
/// ```
/// use highlander_sdk::CallError;
/// use highlander_sdk::prelude::*;
///
/// let failed = CallError::TimedOut("todo/42 did not answer within 5 s".to_owned());
/// assert_eq!(failed.code(), "call-timed-out");
/// assert_eq!(Rejection::from(failed).message(), "todo/42 did not answer within 5 s");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The object rejects the call. The host does so in its place, with the code `call-not-permitted`, if objects of
    /// this type may not call the other type.
    Rejected(Rejection),
    /// The argument does not match the handler, or the call is malformed: `callee-invalid-argument`.
    InvalidArgument(String),
    /// The type does not exist, or has no such handler: `callee-not-found`.
    NotFound(String),
    /// The object waits, directly or through others, for this one: `call-cycle`.
    Cycle(String),
    /// The chain of waiting objects has reached its maximum length: `call-too-deep`.
    TooDeep(String),
    /// Deadlock (`call-conflict`): the object waits, in an older chain of calls, for an object that waits for this
    /// call. The text names the cycle. If this handler then rejects its own call, that call can be retried.
    Conflict(String),
    /// The time was over before the call began: `call-timed-out`.
    TimedOut(String),
    /// The object is unreachable or temporarily accepts no calls: `callee-unavailable`.
    Unavailable(String),
    /// The object's code trapped or exceeded its limits: `callee-failed`.
    Failed(String),
    /// The call may have taken effect, or may still: `call-unknown`.
    Unknown(String),
    /// The call was executed, but its reply does not match the expected type, or that type cannot hold it exactly:
    /// `reply-unreadable`.
    ReplyUnreadable(String),
}

impl CallError {
    /// Returns the code that the resulting rejection has: that of the object's own rejection, or one that names the
    /// failure.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::{CallError, Rejection};
    /// let refused = CallError::Rejected(Rejection::new("full", "the list is full"));
    /// assert_eq!(refused.code(), "full");
    /// assert_eq!(CallError::Cycle(String::new()).code(), "call-cycle");
    /// ```
    pub fn code(&self) -> &str {
        self.parts().0
    }

    /// Returns the description of the failure, for people.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::{CallError, Rejection};
    /// let refused = CallError::Rejected(Rejection::new("full", "the list is full"));
    /// assert_eq!(refused.text(), "the list is full");
    /// ```
    pub fn text(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        match self {
            CallError::Rejected(rejection) => (rejection.code(), rejection.message()),
            CallError::InvalidArgument(text) => ("callee-invalid-argument", text),
            CallError::NotFound(text) => ("callee-not-found", text),
            CallError::Cycle(text) => ("call-cycle", text),
            CallError::TooDeep(text) => ("call-too-deep", text),
            CallError::Conflict(text) => ("call-conflict", text),
            CallError::TimedOut(text) => ("call-timed-out", text),
            CallError::Unavailable(text) => ("callee-unavailable", text),
            CallError::Failed(text) => ("callee-failed", text),
            CallError::Unknown(text) => ("call-unknown", text),
            CallError::ReplyUnreadable(text) => ("reply-unreadable", text),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())?;
        f.write_str(": ")?;
        f.write_str(self.text())
    }
}

impl std::error::Error for CallError {}

impl From<CallError> for Rejection {
    fn from(failed: CallError) -> Rejection {
        match failed {
            CallError::Rejected(rejection) => rejection,
            other => Rejection::new(other.code().to_owned(), other.text().to_owned()),
        }
    }
}

/// Converts the error of one object into the error that its caller receives: for tests in which a harness answers
/// calls.
impl From<HandlerError> for CallError {
    fn from(error: HandlerError) -> CallError {
        match error {
            HandlerError::InvalidArgument(reason) => CallError::InvalidArgument(reason),
            HandlerError::UnknownHandler => {
                CallError::NotFound("there is no such handler".to_owned())
            }
            HandlerError::Rejected(rejection) => CallError::Rejected(rejection),
        }
    }
}

/// Reason why a message, an event or an alarm is rejected. It does not take place at all, and the handler
/// continues.
///
/// With `?`, it becomes the rejection of the handler.
///
/// # Examples
///
/// ```
/// use highlander_sdk::EffectError;
/// use highlander_sdk::prelude::*;
///
/// assert_eq!(Rejection::from(EffectError::NotInQuery).code(), "effect-in-query");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectError {
    /// The handler is a query, which has no effects: `effect-in-query`.
    NotInQuery,
    /// The request is malformed: `effect-invalid`.
    Invalid(String),
    /// A limit of the call or of the object is reached: `effect-too-much`.
    TooMuch(String),
}

impl EffectError {
    fn code(&self) -> &'static str {
        match self {
            EffectError::NotInQuery => "effect-in-query",
            EffectError::Invalid(_) => "effect-invalid",
            EffectError::TooMuch(_) => "effect-too-much",
        }
    }

    fn text(&self) -> &str {
        match self {
            EffectError::NotInQuery => "a query has no effects; make the handler an update",
            EffectError::Invalid(text) | EffectError::TooMuch(text) => text,
        }
    }
}

impl fmt::Display for EffectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())?;
        f.write_str(": ")?;
        f.write_str(self.text())
    }
}

impl std::error::Error for EffectError {}

impl From<EffectError> for Rejection {
    fn from(error: EffectError) -> Rejection {
        Rejection::new(error.code(), error.text().to_owned())
    }
}
