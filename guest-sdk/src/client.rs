//! The typed side of calls between objects: what the expansion of `#[object]` implements and others use.
//!
//! The handlers of a client are generated; here are its options, and how a handler is reached by call or by message.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Fallible;
use crate::failure::{CallFailed, EffectError};
use crate::reference::ObjectRef;

/// Another object with the handlers of its type: what [`Object::at`](crate::Object::at) gives.
///
/// A client has a method for each handler, with the handler's arguments, which answers with a
/// `Result<Reply, CallFailed>`. The options here belong to every client. Where a handler has the name of one of them,
/// the handler is meant, and the option is written `Client::timeout(&client, ..)`.
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
/// fn count(times: u64) -> Result<u64, CallFailed> {
///     Counter::at("today").timeout(Duration::from_secs(1)).add(times)
/// }
/// ```
pub trait Client: From<ObjectRef> + AsRef<ObjectRef> {
    /// The same object, whose calls wait so long for their reply: see [`ObjectRef::timeout`].
    #[must_use]
    fn timeout(&self, timeout: Duration) -> Self {
        self.as_ref().clone().timeout(timeout).into()
    }

    /// The same object, whose calls bear a mark by which a repetition is recognised: see
    /// [`ObjectRef::idempotency_key`].
    #[must_use]
    fn idempotency_key(&self, key: impl Into<String>) -> Self {
        self.as_ref().clone().idempotency_key(key).into()
    }
}

/// Handlers that are called.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Calls;

/// Handlers that are sent messages.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Messages;

/// What a handler answers that does not reject.
#[doc(hidden)]
#[derive(Debug)]
pub struct Plain<R>(R);

/// What a handler answers that may reject: its whole `Result`.
#[doc(hidden)]
#[derive(Debug)]
pub struct Rejecting<R>(R);

/// How a handler with the argument `A` and the answer `R` is reached.
///
/// The bounds stand here and not at the generated methods, so that an object whose arguments or replies go one way
/// only has a client all the same, and only the calls that need the other way do not compile.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this handler cannot be called from another object",
    note = "its argument is to be written as JSON and its reply to be read: put `#[data]` on their definitions"
)]
pub trait Reach<A, R> {
    /// What the generated method answers.
    type Answer;

    /// Calls the handler, or sends it a message.
    fn reach(object: &ObjectRef, handler: &str, argument: &A) -> Self::Answer;
}

impl<A: Serialize, R: DeserializeOwned> Reach<A, Plain<R>> for Calls {
    type Answer = Result<R, CallFailed>;

    #[track_caller]
    fn reach(object: &ObjectRef, handler: &str, argument: &A) -> Result<R, CallFailed> {
        object.call(handler, argument)
    }
}

impl<A: Serialize, R: Fallible> Reach<A, Rejecting<R>> for Calls
where
    R::Reply: DeserializeOwned,
{
    type Answer = Result<R::Reply, CallFailed>;

    #[track_caller]
    fn reach(object: &ObjectRef, handler: &str, argument: &A) -> Result<R::Reply, CallFailed> {
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

/// What a caller gets where a handler answers with a reference: its own.
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
