//! [`ObjectRef`]: untyped calls and messages to another object. The typed client is in `client.rs`.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::caller::ObjectId;
use crate::error::{CallError, EffectError};
use crate::host::{CallOptions, Host, whole_ms};
use crate::reading;
use crate::writing;
use crate::writing::cannot_be_written;

/// Reference to another object on any node, for calls and messages to handlers by name.
///
/// If the object's crate is available as a dependency, `Todo::at("42").complete()` does the same with types.
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
    /// Creates a reference to the object of type `object_type` with the key `key`.
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

    /// Returns the identity of the object.
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

    /// Sets the timeout for the reply of a call.
    ///
    /// The default and upper bound is the time for which the caller of the calling handler waits.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use highlander_sdk::prelude::*;
    /// fn is_open() -> Result<bool, CallError> {
    ///     ObjectRef::new("shop", "corner").timeout(Duration::from_millis(500)).call("is_open", &())
    /// }
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> ObjectRef {
        self.options.timeout_ms = Some(whole_ms(timeout));
        self
    }

    /// Sets the idempotency key of a call, which identifies retries of the same call: 1 to 128 visible ASCII
    /// characters.
    ///
    /// If it is missing and the calling handler was itself called with a key, the host derives one from that key.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn pay(order: &str) -> Result<u64, CallError> {
    ///     let till = ObjectRef::new("till", "1").idempotency_key(format!("order-{order}"));
    ///     till.call("pay", &12)
    /// }
    /// ```
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> ObjectRef {
        self.options.idempotency_key = Some(key.into());
        self
    }

    /// Calls a handler and waits for its reply. The argument is serialized as JSON; pass `&()` for no argument.
    ///
    /// Fields of the reply that `R` does not have are ignored, because the next revision of the other type may add
    /// fields.
    ///
    /// The changes that the calling handler has made to its own state are not visible to others yet. They are lost
    /// if the handler rejects afterwards, while the changes in the other object remain.
    ///
    /// # Errors
    ///
    /// The reason for the missing reply. If the reply is not a valid `R`, or `R` cannot hold it exactly, the error
    /// is [`CallError::ReplyUnreadable`]: the call was executed.
    ///
    /// # Panics
    ///
    /// Panics if the argument cannot be serialized as JSON. In a native build, also panics outside of a handler
    /// that a test harness runs.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn title(todo: &str) -> Result<String, CallError> {
    ///     ObjectRef::new("todo", todo).call("title", &())
    /// }
    /// ```
    #[track_caller]
    pub fn call<R: DeserializeOwned>(
        &self,
        handler: &str,
        argument: &(impl Serialize + ?Sized),
    ) -> Result<R, CallError> {
        let argument = to_json("argument", argument);
        let reply = Host::current().call(&self.id, handler, &argument, &self.options)?;
        reading::read_reply(&reply).map_err(|error| self.unreadable(handler, &error.to_string()))
    }

    /// Sends a message: the host calls a handler after this call's change is committed. Messages are delivered in
    /// order, and each takes effect once.
    ///
    /// # Errors
    ///
    /// Returns an error if the calling handler is a query, the message is malformed, or there are too many
    /// messages. Also returns an error if the receiver is of the object's own type, and that type has no such
    /// handler.
    ///
    /// # Panics
    ///
    /// Same as [`call`](ObjectRef::call).
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
    fn unreadable(&self, handler: &str, why: &str) -> CallError {
        let id = &self.id;
        CallError::ReplyUnreadable(format!(
            "{id} executed `{handler}`, but its reply is not as expected: {why}"
        ))
    }
}

impl From<ObjectId> for ObjectRef {
    fn from(id: ObjectId) -> ObjectRef {
        ObjectRef { id, options: CallOptions::default() }
    }
}

/// Serializes a value for another object or for subscribers.
#[track_caller]
pub(crate) fn to_json(what: &str, value: &(impl Serialize + ?Sized)) -> Vec<u8> {
    match writing::to_json(value) {
        Ok(bytes) => bytes,
        Err(error) => cannot_be_written(what, &error),
    }
}
