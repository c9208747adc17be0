//! Why another object gave no reply, and why an effect is not to be had.
//!
//! Owns [`CallFailed`] and [`EffectError`], and how both become the [`Rejection`] of the handler that met them.

use std::fmt;

use crate::call::CallError;
use crate::rejection::Rejection;

/// Why the call of another object has no reply.
///
/// [`Unknown`](CallFailed::Unknown) says that the call may have taken effect,
/// [`ReplyUnreadable`](CallFailed::ReplyUnreadable) that it was done, and each other one that it changed nothing at the
/// object it was made to.
/// With `?` it becomes the rejection of the calling handler: a refusal is passed on as it is, with its detail, and the
/// others have codes of their own, as [`code`](CallFailed::code) names them.
///
/// # Examples
///
/// ```
/// use highlander_sdk::CallFailed;
/// use highlander_sdk::prelude::*;
///
/// let failed = CallFailed::TimedOut("todo/42 did not answer within 5 s".to_owned());
/// assert_eq!(failed.code(), "call-timed-out");
/// assert_eq!(Rejection::from(failed).message(), "todo/42 did not answer within 5 s");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallFailed {
    /// The object refuses the call.
    Refused(Rejection),
    /// The argument does not fit the handler, or the call is not well-formed: `callee-invalid-argument`.
    InvalidArgument(String),
    /// There is no such type, or the type has no such handler: `callee-not-found`.
    NotFound(String),
    /// The object waits, directly or through others, for this one: `call-cycle`.
    Cycle(String),
    /// The chain of objects that wait for each other is as long as it may be: `call-too-deep`.
    TooDeep(String),
    /// The object waits, in an older chain of calls, for one that waits for this call: `call-conflict`. The text names
    /// the circle. Whoever refuses the own call now can be called again.
    Conflict(String),
    /// The time was over before the call began: `call-timed-out`.
    TimedOut(String),
    /// The object cannot be reached, or takes no call now; later it may: `callee-unavailable`.
    Unavailable(String),
    /// The object's code failed: it trapped, or broke its limits: `callee-failed`.
    Failed(String),
    /// The call may have taken effect, or may still: `call-unknown`.
    Unknown(String),
    /// The call was done, and its reply is not what was expected, or more than the type of the caller can hold exactly:
    /// `reply-unreadable`.
    ReplyUnreadable(String),
}

impl CallFailed {
    /// The code that a rejection has which was made from this: that of the refusal, or one that says what failed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::{CallFailed, Rejection};
    /// let refused = CallFailed::Refused(Rejection::new("full", "the list is full"));
    /// assert_eq!(refused.code(), "full");
    /// assert_eq!(CallFailed::Cycle(String::new()).code(), "call-cycle");
    /// ```
    pub fn code(&self) -> &str {
        self.parts().0
    }

    /// What happened, for people.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::{CallFailed, Rejection};
    /// let refused = CallFailed::Refused(Rejection::new("full", "the list is full"));
    /// assert_eq!(refused.text(), "the list is full");
    /// ```
    pub fn text(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        match self {
            CallFailed::Refused(rejection) => (rejection.code(), rejection.message()),
            CallFailed::InvalidArgument(text) => ("callee-invalid-argument", text),
            CallFailed::NotFound(text) => ("callee-not-found", text),
            CallFailed::Cycle(text) => ("call-cycle", text),
            CallFailed::TooDeep(text) => ("call-too-deep", text),
            CallFailed::Conflict(text) => ("call-conflict", text),
            CallFailed::TimedOut(text) => ("call-timed-out", text),
            CallFailed::Unavailable(text) => ("callee-unavailable", text),
            CallFailed::Failed(text) => ("callee-failed", text),
            CallFailed::Unknown(text) => ("call-unknown", text),
            CallFailed::ReplyUnreadable(text) => ("reply-unreadable", text),
        }
    }
}

impl fmt::Display for CallFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())?;
        f.write_str(": ")?;
        f.write_str(self.text())
    }
}

impl std::error::Error for CallFailed {}

impl From<CallFailed> for Rejection {
    fn from(failed: CallFailed) -> Rejection {
        match failed {
            CallFailed::Refused(rejection) => rejection,
            other => Rejection::new(other.code().to_owned(), other.text().to_owned()),
        }
    }
}

/// What one object answers is what another one meets, as in tests where a harness answers for an object.
impl From<CallError> for CallFailed {
    fn from(error: CallError) -> CallFailed {
        match error {
            CallError::InvalidArgument(reason) => CallFailed::InvalidArgument(reason),
            CallError::UnknownHandler => {
                CallFailed::NotFound("there is no such handler".to_owned())
            }
            CallError::Refused(rejection) => CallFailed::Refused(rejection),
        }
    }
}

/// Why a message, an event or an alarm is not to be had. Nothing of it is done, and the handler goes on.
///
/// With `?` it becomes the rejection of the handler.
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
    /// What was named is not well-formed: `effect-invalid`.
    Invalid(String),
    /// The call, or the object, has as much of it as it may have: `effect-too-much`.
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
