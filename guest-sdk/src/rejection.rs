//! Why an object refuses a call, in the words of its author.
//!
//! Owns [`Rejection`] and [`reject!`](crate::reject). What the host makes of a rejection (undoing the call, answering
//! the caller) is not here.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::cannot_be_written;
use crate::reading;
use crate::writing;

/// The refusal of a call: a stable code for programs, one sentence for people, and perhaps a detail for programs.
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
    /// JSON.
    detail: Option<Vec<u8>>,
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
        Rejection { code: code.into(), message: message.into(), detail: None }
    }

    /// The same with what programs may want to know besides: anything that can be JSON, at most 16 KiB of it.
    ///
    /// Callers find it beside code and message: over HTTP as `rejection.detail`, other objects with
    /// [`detail`](Rejection::detail).
    ///
    /// # Panics
    ///
    /// Where the detail cannot be JSON.
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

    /// The same with a detail that is JSON already.
    pub(crate) fn with_detail_json(self, detail: Option<Vec<u8>>) -> Rejection {
        Rejection { detail: detail.filter(|detail| detail != b"null"), ..self }
    }

    /// The detail as a `T`; none where there is none, or where it is no `T`.
    ///
    /// Fields that `T` does not know are passed over, since the next revision of the object may say more.
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

    /// Takes the code, the message and the detail apart without copying them.
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

/// Leaves a handler with a [`Rejection`]: a code, then a message as `format!` takes it.
///
/// It returns `Err` with the rejection converted into the error type of the function that it stands in.
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
