//! Typed calls between objects: the options of a client, and its handlers by call or by message.
//!
//! The macro `#[object]` generates the methods for the handlers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Fallible;
use crate::error::{CallError, EffectError};
use crate::object_ref::ObjectRef;

/// Typed client of another object, with a method for each handler. Returned by [`Object::at`](crate::Object::at).
///
/// Each method takes the handler's arguments and returns a `Result<Reply, CallError>`. Every client has the
/// options below. If a handler has the name of an option, the method calls the handler. Call the option as
/// `Client::timeout(&client, ..)` in that case.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use highlander_sdk::prelude::*;
///
/// #[derive(ObjectState)]
/// struct Counter {
///     value: u64,
/// }
///
/// #[object]
/// impl Counter {
///     fn add(&mut self, by: u64) -> u64 {
///         self.value += by;
///         self.value
///     }
/// }
///
/// /// What a handler of another object could do.
/// fn count(times: u64) -> Result<u64, CallError> {
///     Counter::at("today").timeout(Duration::from_secs(1)).add(times)
/// }
/// ```
pub trait Client: From<ObjectRef> + AsRef<ObjectRef> {
    /// Returns a client whose calls have this timeout: see [`ObjectRef::timeout`].
    #[must_use]
    fn timeout(&self, timeout: Duration) -> Self {
        self.as_ref().clone().timeout(timeout).into()
    }

    /// Returns a client whose calls have this idempotency key: see [`ObjectRef::idempotency_key`].
    #[must_use]
    fn idempotency_key(&self, key: impl Into<String>) -> Self {
        self.as_ref().clone().idempotency_key(key).into()
    }
}

/// Marker of clients that call handlers.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Calls;

/// Marker of clients that send messages to handlers.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Messages;

/// Marker of a handler that does not reject, with its return type.
#[doc(hidden)]
#[derive(Debug)]
pub struct Plain<R>(R);

/// Marker of a handler that may reject, with its whole `Result`.
#[doc(hidden)]
#[derive(Debug)]
pub struct Rejecting<R>(R);

/// Invocation of a handler with the argument `A` and the return type `R`.
///
/// The bounds are here and not on the generated methods. So an object whose arguments or replies can only be
/// serialized, or only be deserialized, still has a client. Only calls that need the other direction fail to
/// compile.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this handler cannot be called from another object",
    note = "its argument must be serializable as JSON, and its reply deserializable: put `#[data]` on their definitions"
)]
pub trait Reach<A, R> {
    /// Return type of the generated method.
    type Answer;

    /// Calls the handler, or sends it a message.
    fn reach(object: &ObjectRef, handler: &str, argument: &A) -> Self::Answer;
}

impl<A: Serialize, R: DeserializeOwned> Reach<A, Plain<R>> for Calls {
    type Answer = Result<R, CallError>;

    #[track_caller]
    fn reach(object: &ObjectRef, handler: &str, argument: &A) -> Result<R, CallError> {
        object.call(handler, argument)
    }
}

impl<A: Serialize, R: Fallible> Reach<A, Rejecting<R>> for Calls
where
    R::Reply: DeserializeOwned,
{
    type Answer = Result<R::Reply, CallError>;

    #[track_caller]
    fn reach(object: &ObjectRef, handler: &str, argument: &A) -> Result<R::Reply, CallError> {
        object.call(handler, argument)
    }
}

impl<A: Serialize, R> Reach<A, R> for Messages {
    type Answer = Result<(), EffectError>;

    #[track_caller]
    fn reach(object: &ObjectRef, handler: &str, argument: &A) -> Result<(), EffectError> {
        object.send(handler, argument)
    }
}

/// Owned form of a type that a handler returns, for the caller.
#[doc(hidden)]
pub trait Owned {
    /// The type without `&`.
    type Owned;
}

impl<T> Owned for T {
    type Owned = T;
}

impl Owned for str {
    type Owned = String;
}

impl<T> Owned for [T] {
    type Owned = Vec<T>;
}

impl Owned for Path {
    type Owned = PathBuf;
}
