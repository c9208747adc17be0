//! Why an object refuses a call, in the words of its author.
//!
//! Owns [`Rejection`] and [`reject!`](crate::reject). What the host makes of a rejection (undoing the call, answering
//! the caller) is not here.

use std::borrow::Cow;
use std::fmt;

/// The refusal of a call: a stable code for programs, and one sentence for people.
///
/// A handler rejects by returning it as the error of a `Result`. Whatever it changed before is undone.
/// Any error type will do that converts into a `Rejection`, so that an object may have an `enum` of its own.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// let rejection = Rejection::new("already-completed", "the task is done");
/// assert_eq!(rejection.code(), "already-completed");
/// assert_eq!(rejection.to_string(), "already-completed: the task is done");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
}

impl Rejection {
    /// Makes a rejection.
    ///
    /// `code` is for programs, so it should stay what it is: lower case words with hyphens between them, at most 63
    /// characters. `message` is one sentence for people.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::Rejection;
    /// let missing = "milk";
    /// Rejection::new("unknown-item", format!("`{missing}` is not on the list"));
    /// ```
    pub fn new(
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Rejection {
        Rejection { code: code.into(), message: message.into() }
    }

    /// The code, for programs.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::Rejection;
    /// assert_eq!(Rejection::new("full", "the list is full").code(), "full");
    /// ```
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The message, for people.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::Rejection;
    /// assert_eq!(Rejection::new("full", "the list is full").message(), "the list is full");
    /// ```
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Takes the code and the message apart without copying them.
    #[cfg(target_family = "wasm")]
    pub(crate) fn into_parts(self) -> (String, String) {
        (self.code.into_owned(), self.message.into_owned())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        f.write_str(": ")?;
        f.write_str(&self.message)
    }
}

impl std::error::Error for Rejection {}

/// Leaves a handler with a [`Rejection`]: a code, then a message as `format!` takes it.
///
/// It returns `Err` with the rejection converted into the error type of the function that it stands in.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// fn check(title: &str) -> Result<(), Rejection> {
///     if title.len() > 200 {
///         reject!("title-too-long", "a title has at most 200 bytes, this one has {}", title.len());
///     }
///     Ok(())
/// }
/// assert_eq!(check(&"x".repeat(201)).unwrap_err().code(), "title-too-long");
/// ```
#[macro_export]
macro_rules! reject {
    ($code:expr, $($message:tt)+) => {
        return ::core::result::Result::Err(::core::convert::Into::into($crate::Rejection::new(
            $code,
            $crate::__private::format!($($message)+),
        )))
    };
}
