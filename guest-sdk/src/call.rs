//! One call: reading its argument from JSON, writing its reply as JSON, and the errors that it can end with.
//!
//! The expansion of `#[object]` calls these functions.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::reading;
use crate::rejection::Rejection;
use crate::writing::{self, cannot_be_written};

/// Reason why a call has no reply. All changes that the handler made to the state are undone.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// let error = HandlerError::from(Rejection::new("full", "the list is full"));
/// assert_eq!(error.to_string(), "full: the list is full");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandlerError {
    /// The argument does not match the handler. The text says where and why.
    InvalidArgument(String),
    /// The object type has no handler of this name.
    UnknownHandler,
    /// The object rejects the call.
    Rejected(Rejection),
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandlerError::InvalidArgument(reason) => {
                f.write_str("invalid argument: ")?;
                f.write_str(reason)
            }
            HandlerError::UnknownHandler => f.write_str("unknown handler"),
            HandlerError::Rejected(rejection) => rejection.fmt(f),
        }
    }
}

impl std::error::Error for HandlerError {}

impl From<Rejection> for HandlerError {
    fn from(rejection: Rejection) -> HandlerError {
        HandlerError::Rejected(rejection)
    }
}

/// Argument of a handler: any owned type that can be deserialized from JSON.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// /// Where a parcel goes.
/// #[data]
/// struct Address {
///     street: String,
///     city: String,
/// }
///
/// fn can_be_an_argument<T: highlander_sdk::Argument>() {}
/// can_be_an_argument::<Address>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the argument of a handler",
    label = "cannot be read from JSON",
    note = "put `#[data]` on its definition, or derive `serde::Deserialize`"
)]
pub trait Argument: DeserializeOwned {}

impl<T: DeserializeOwned> Argument for T {}

/// Reply of a handler: any type that can be serialized as JSON.
///
/// # Examples
///
/// ```
/// fn can_be_a_reply<T: highlander_sdk::Reply>() {}
/// can_be_a_reply::<Vec<u64>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the reply of a handler",
    label = "cannot be written as JSON",
    note = "put `#[data]` on its definition, or derive `serde::Serialize`"
)]
pub trait Reply: Serialize {}

impl<T: Serialize + ?Sized> Reply for T {}

/// Type that can be described to callers: any type with a JSON Schema.
///
/// # Examples
///
/// ```
/// fn can_be_described<T: highlander_sdk::Described>() {}
/// can_be_described::<Option<String>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be described to callers",
    label = "has no JSON Schema",
    note = "put `#[data]` on its definition, or derive `schemars::JsonSchema`"
)]
pub trait Described: JsonSchema {}

impl<T: JsonSchema> Described for T {}

/// Reports in a constant whether a reply type is a `Result`, even behind an alias. The inherent constant takes
/// precedence over the one of [`PlainReply`].
#[doc(hidden)]
#[derive(Debug)]
pub struct ReplyType<T>(std::marker::PhantomData<T>);

impl<T, E> ReplyType<Result<T, E>> {
    /// A `Result`.
    pub const IS_RESULT: bool = true;
}

/// Any reply type other than a `Result`.
#[doc(hidden)]
pub trait PlainReply {
    /// Not a `Result`.
    const IS_RESULT: bool = false;
}

impl<T> PlainReply for ReplyType<T> {}

/// Return type of a handler that may reject: a `Result` whose error converts into a [`Rejection`].
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// /// Why a withdrawal is refused.
/// enum Refusal {
///     Empty,
/// }
///
/// impl From<Refusal> for Rejection {
///     fn from(refusal: Refusal) -> Rejection {
///         match refusal {
///             Refusal::Empty => Rejection::new("empty", "there is nothing left"),
///         }
///     }
/// }
///
/// fn can_reject<T: highlander_sdk::Fallible>() {}
/// can_reject::<Result<u64, Refusal>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "is not a `Result` whose error converts into a `Rejection`",
    note = "use `Rejection` as the error, or implement `From<YourError> for Rejection`"
)]
pub trait Fallible {
    /// Reply of a call that is not rejected.
    type Reply;

    /// Converts the returned value into the reply of the call.
    ///
    /// # Errors
    ///
    /// [`HandlerError::Rejected`] with the rejection, if the handler returned an error.
    fn into_reply(self) -> Result<Self::Reply, HandlerError>;
}

impl<T, E: Into<Rejection>> Fallible for Result<T, E> {
    type Reply = T;

    fn into_reply(self) -> Result<T, HandlerError> {
        self.map_err(|error| HandlerError::Rejected(error.into()))
    }
}

/// Deserializes the argument of a handler that takes one.
#[doc(hidden)]
pub fn argument<T: Argument>(bytes: &[u8]) -> Result<T, HandlerError> {
    reading::read(bytes).map_err(invalid_argument)
}

/// Deserializes an argument that must be a JSON object: the whole state, or several arguments by name.
#[doc(hidden)]
pub fn object_argument<T: Argument>(bytes: &[u8]) -> Result<T, HandlerError> {
    if !is_object(bytes) {
        return Err(HandlerError::InvalidArgument("expected a JSON object".to_owned()));
    }
    argument(bytes)
}

/// Whether `bytes` is a JSON object, provided that it is valid JSON.
///
/// serde also deserializes a struct from an array, field by field. Then `[]` would be a state with all defaults,
/// and a caller's mistake could wipe an object.
pub(crate) fn is_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
}

/// Checks that the argument is `null`, for a handler that takes none.
#[doc(hidden)]
pub fn no_argument(bytes: &[u8]) -> Result<(), HandlerError> {
    if bytes.trim_ascii() == b"null" {
        return Ok(());
    }
    Err(HandlerError::InvalidArgument("the handler takes no argument; expected `null`".to_owned()))
}

/// Serializes the reply of a handler.
///
/// A value that cannot be JSON, such as a map with keys that are not text or a float that is not finite, is a bug
/// in the object. Like any other bug in a handler it causes a trap, which leaves the state unchanged.
#[doc(hidden)]
#[track_caller]
pub fn reply<T: Reply + ?Sized>(reply: &T) -> Result<Vec<u8>, HandlerError> {
    match writing::to_json(reply) {
        Ok(bytes) => Ok(bytes),
        Err(error) => cannot_be_written("reply", &error),
    }
}

/// Not inlined: one copy of the formatting code instead of one per argument type.
#[inline(never)]
#[cold]
#[expect(clippy::needless_pass_by_value, reason = "the signature that `map_err` requires")]
fn invalid_argument(error: serde_json::Error) -> HandlerError {
    HandlerError::InvalidArgument(error.to_string())
}
