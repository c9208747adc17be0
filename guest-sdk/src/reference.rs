//! Another object, by its type and key, and what may be asked of it.
//!
//! Owns [`ObjectRef`], which knows no types. The typed side is `client.rs`.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::cannot_be_written;
use crate::caller::ObjectId;
use crate::failure::{CallFailed, EffectError};
use crate::host::Host;
use crate::reading;
use crate::writing;

/// What a call of another object may have besides its argument.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallOptions {
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) idempotency_key: Option<String>,
}

/// Another object, on whatever node it is, which can be called and sent messages by the names of its handlers.
///
/// Where the object's crate is at hand, `Todo::at("42").complete()` says the same with types.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// #[derive(ObjectState)]
/// struct Basket {
///     items: Vec<String>,
/// }
///
/// #[object]
/// impl Basket {
///     /// Puts an item into the basket, if the shop has one.
///     fn add(&mut self, item: String) -> Result<(), Rejection> {
///         let price: u64 = ObjectRef::new("shop", "corner").call("price", &item)?;
///         if price == 0 {
///             reject!("not-for-sale", "{item} has no price");
///         }
///         self.items.push(item);
///         Ok(())
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ObjectRef {
    id: ObjectId,
    options: CallOptions,
}

impl ObjectRef {
    /// The object of type `object_type` with the key `key`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::ObjectRef;
    /// assert_eq!(ObjectRef::new("todo", "42").id().to_string(), "todo/42");
    /// ```
    pub fn new(object_type: impl Into<String>, key: impl Into<String>) -> ObjectRef {
        ObjectRef::from(ObjectId::new(object_type, key))
    }

    /// Who the object is.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::ObjectRef;
    /// assert_eq!(ObjectRef::new("todo", "42").id().key(), "42");
    /// ```
    pub fn id(&self) -> &ObjectId {
        &self.id
    }

    /// The same object, whose calls wait so long for their reply.
    ///
    /// Never longer than the caller of the calling handler waits, which is also the default.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use highlander_sdk::prelude::*;
    /// fn is_open() -> Result<bool, CallFailed> {
    ///     ObjectRef::new("shop", "corner").timeout(Duration::from_millis(500)).call("is_open", &())
    /// }
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> ObjectRef {
        self.options.timeout_ms = Some(whole_ms(timeout));
        self
    }

    /// The same object, whose calls bear a mark by which a repetition is recognised: 1 to 128 visible characters of
    /// ASCII.
    ///
    /// Without one, if the calling handler was itself called with a key, the host derives one from that.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn pay(order: &str) -> Result<u64, CallFailed> {
    ///     let till = ObjectRef::new("till", "1").idempotency_key(format!("order-{order}"));
    ///     till.call("pay", &12)
    /// }
    /// ```
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> ObjectRef {
        self.options.idempotency_key = Some(key.into());
        self
    }

    /// Calls a handler with an argument that is written as JSON, `&()` for none, and waits for its reply.
    ///
    /// The reply may have fields that `R` does not know, since the next revision of the other type may answer with
    /// more.
    ///
    /// What the calling handler has done to its state so far is seen by nobody yet, and is lost if the handler rejects
    /// afterwards, while what the other object did stays done.
    ///
    /// # Errors
    ///
    /// Why there is no reply. One that is no `R`, or that `R` cannot hold exactly, is
    /// [`CallFailed::ReplyUnreadable`]: the call was done.
    ///
    /// # Panics
    ///
    /// Where the argument cannot be JSON, and natively outside of a handler that a test harness called.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn title(todo: &str) -> Result<String, CallFailed> {
    ///     ObjectRef::new("todo", todo).call("title", &())
    /// }
    /// ```
    #[track_caller]
    pub fn call<R: DeserializeOwned>(
        &self,
        handler: &str,
        argument: &(impl Serialize + ?Sized),
    ) -> Result<R, CallFailed> {
        let argument = to_json("argument", argument);
        let reply = Host::current().call(&self.id, handler, &argument, &self.options)?;
        reading::read_reply(&reply).map_err(|error| self.unreadable(handler, &error.to_string()))
    }

    /// Sends a message: has a handler called after this call's change is committed, in order and with effect once.
    ///
    /// # Errors
    ///
    /// If the calling handler is a query, the message is not well-formed, the receiver is of the object's own type and
    /// that has no such handler, or there are too many.
    ///
    /// # Panics
    ///
    /// As [`call`](ObjectRef::call).
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn welcome(user: &str) -> Result<(), EffectError> {
    ///     ObjectRef::new("user", user).send("greet", "welcome back")
    /// }
    /// ```
    #[track_caller]
    pub fn send(
        &self,
        handler: &str,
        argument: &(impl Serialize + ?Sized),
    ) -> Result<(), EffectError> {
        Host::current().send(&self.id, handler, &to_json("argument", argument))
    }

    #[cold]
    fn unreadable(&self, handler: &str, why: &str) -> CallFailed {
        let id = &self.id;
        CallFailed::ReplyUnreadable(format!(
            "{id} did `{handler}`, and its reply is not what was expected: {why}"
        ))
    }
}

impl From<ObjectId> for ObjectRef {
    fn from(id: ObjectId) -> ObjectRef {
        ObjectRef { id, options: CallOptions::default() }
    }
}

/// Whole milliseconds, as the contract counts them.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A value as the JSON that another object, or whoever watches, is to get.
#[track_caller]
pub(crate) fn to_json(what: &str, value: &(impl Serialize + ?Sized)) -> Vec<u8> {
    match writing::to_json(value) {
        Ok(bytes) => bytes,
        Err(error) => cannot_be_written(what, &error),
    }
}
