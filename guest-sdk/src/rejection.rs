//! [`Rejection`] and [`reject!`](crate::reject): the application errors of an object.
//!
//! The host undoes the changes of a rejected call and passes the rejection to the caller.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::reading;
use crate::writing::{self, cannot_be_written};

/// Rejection of a call: a stable code for programs, one sentence for people, and optional detail for programs.
///
/// A handler rejects a call by returning it as the error of a `Result`. All its changes to the state are undone.
/// Any error type that converts into a `Rejection` is allowed, so an object may define its own `enum`.
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
    /// JSON.
    detail: Option<Vec<u8>>,
}

impl Rejection {
    /// Creates a rejection.
    ///
    /// `code` is for programs and should be stable: lower-case words, joined by hyphens, at most 63 characters.
    /// `message` is one sentence for people.
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
        Rejection { code: code.into(), message: message.into(), detail: None }
    }

    /// Adds detail for programs: any value that can be serialized as JSON, at most 16 KiB.
    ///
    /// Callers receive it with code and message: over HTTP as `rejection.detail`, in other objects through
    /// [`detail`](Rejection::detail).
    ///
    /// # Panics
    ///
    /// Panics if the detail cannot be serialized as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// use highlander_sdk::prelude::*;
    ///
    /// /// How much is left.
    /// #[data]
    /// struct Left {
    ///     coins: u64,
    /// }
    ///
    /// let rejection = Rejection::new("too-little", "there are 3 coins").with_detail(&Left { coins: 3 });
    /// assert_eq!(rejection.detail(), Some(Left { coins: 3 }));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with_detail(self, detail: &(impl Serialize + ?Sized)) -> Rejection {
        match writing::to_json(detail) {
            Ok(detail) => self.with_detail_json(Some(detail)),
            Err(error) => cannot_be_written("detail of a rejection", &error),
        }
    }

    /// Sets a detail that is already JSON. `null` counts as none.
    pub(crate) fn with_detail_json(self, detail: Option<Vec<u8>>) -> Rejection {
        Rejection { detail: detail.filter(|detail| detail != b"null"), ..self }
    }

    /// Returns the detail as a `T`, or `None` if there is none or it is not a valid `T`.
    ///
    /// Fields that `T` does not have are ignored, because the next revision of the object may add fields.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::Rejection;
    /// let rejection = Rejection::new("full", "the list is full").with_detail(&[100, 100]);
    /// assert_eq!(rejection.detail::<(u32, u32)>(), Some((100, 100)));
    /// assert_eq!(rejection.detail::<String>(), None);
    /// ```
    pub fn detail<T: DeserializeOwned>(&self) -> Option<T> {
        reading::read_reply(self.detail.as_deref()?).ok()
    }

    /// Returns the code, for programs.
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

    /// Returns the message, for people.
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

    /// Returns the code, the message and the detail without copying them.
    #[cfg(target_family = "wasm")]
    pub(crate) fn into_parts(self) -> (String, String, Option<Vec<u8>>) {
        (self.code.into_owned(), self.message.into_owned(), self.detail)
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

/// Returns a [`Rejection`] from a handler: a code, then a message with the syntax of `format!`.
///
/// The macro returns `Err`, with the rejection converted into the error type of the enclosing function.
/// `detail = EXPRESSION` may stand between the two: see [`Rejection::with_detail`](crate::Rejection::with_detail).
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// fn take(coins: u64, wanted: u64) -> Result<u64, Rejection> {
///     let Some(left) = coins.checked_sub(wanted) else {
///         reject!("too-little", detail = json!({ "left": coins }), "there are {coins} coins");
///     };
///     Ok(left)
/// }
/// assert_eq!(take(3, 5).unwrap_err().detail(), Some(json!({ "left": 3 })));
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
    ($code:expr, detail = $detail:expr, $($message:tt)+) => {
        return ::core::result::Result::Err(::core::convert::Into::into(
            $crate::Rejection::new($code, $crate::__private::format!($($message)+))
                .with_detail(&$detail),
        ))
    };
    ($code:expr, $($message:tt)+) => {
        return ::core::result::Result::Err(::core::convert::Into::into($crate::Rejection::new(
            $code,
            $crate::__private::format!($($message)+),
        )))
    };
}
