//! Traits that the macros implement: the state of an object, and the handlers on it.
//!
//! They are public so that bounds can name them, and so that compiler errors can report which macro is missing. Do
//! not implement them by hand.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::{HandlerError, no_argument, object_argument, reply};
use crate::codec::StateCodec;
use crate::context::Context;
use crate::description::Handler;
use crate::migration::{RestoreError, unread};
use crate::object_ref::ObjectRef;

/// State of an object. Implemented by `#[derive(ObjectState)]`.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// /// How often something happened.
/// #[derive(ObjectState)]
/// #[state(version = 2)]
/// struct Counter {
///     #[state(default = 10)]
///     value: u64,
/// }
///
/// assert_eq!(Counter::default().value, 10);
/// assert_eq!(Counter::SCHEMA_VERSION, 2);
/// assert_eq!(<Counter as ObjectState>::DOCUMENTATION, "How often something happened.");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the state of an object",
    label = "has no `#[derive(ObjectState)]`",
    note = "put `#[derive(ObjectState)]` on `struct {Self}`"
)]
pub trait ObjectState: Default + Serialize + DeserializeOwned + JsonSchema + 'static {
    /// Version of the state's schema, from 1: `#[state(version = 2)]`.
    const SCHEMA_VERSION: u32;

    /// Doc comment of the struct.
    const DOCUMENTATION: &'static str;

    /// Encoding of stored states: `#[state(codec = ..)]`, JSON by default.
    type Codec: StateCodec;

    /// Oldest schema version whose snapshots can be read, through the structs that `#[state(migrate_from = ..)]`
    /// names.
    const OLDEST_VERSION: u32 = Self::SCHEMA_VERSION;

    /// Reads a snapshot of a version from `OLDEST_VERSION` to the one before `SCHEMA_VERSION`.
    #[doc(hidden)]
    fn migrate(from_version: u32, snapshot: &[u8]) -> Result<Self, RestoreError> {
        let _ = snapshot;
        Err(unread::<Self>(from_version))
    }
}

/// A complete object type: a state with handlers. Implemented by `#[object]` on an `impl` block of the state.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// #[derive(ObjectState)]
/// struct ShoppingList {
///     items: Vec<String>,
/// }
///
/// #[object]
/// impl ShoppingList {
///     /// How many items there are.
///     fn count(&self) -> usize {
///         self.items.len()
///     }
/// }
///
/// assert_eq!(ShoppingList::TYPE_NAME, "shopping-list");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no handlers",
    label = "has no `impl` block with `#[object]`",
    note = "put `#[object]` on `impl {Self} {{ .. }}`; its methods become the handlers"
)]
pub trait Object: ObjectState {
    /// Name of the object type, such as `shopping-list`.
    const TYPE_NAME: &'static str;

    /// Doc comment of the `impl` block, or of the struct if the block has none.
    const DOCUMENTATION: &'static str;

    /// Whether subscribers of an object receive its state after every change: `#[object(publish_state = true)]`.
    const SHOWS_STATE: bool = false;

    /// Client with a method that calls each handler.
    #[doc(hidden)]
    type Client: From<ObjectRef>;

    /// Client with a method that sends a message to each handler.
    #[doc(hidden)]
    type Messages: From<ObjectRef>;

    /// Returns a client that calls the object with the key `key`, for use in a handler of another object.
    ///
    /// The client has one method per handler, with the handler's arguments. Each method returns a
    /// `Result<Reply, CallError>`. The client also has the options of [`Client`](crate::Client). If the type has a
    /// handler named `at`, write `<Todo as Object>::at("42")`.
    ///
    /// # Examples
    ///
    /// ```
    /// use highlander_sdk::prelude::*;
    ///
    /// #[derive(ObjectState)]
    /// struct Todo {
    ///     completed: bool,
    /// }
    ///
    /// #[object]
    /// impl Todo {
    ///     fn complete(&mut self) {
    ///         self.completed = true;
    ///     }
    /// }
    ///
    /// /// What a handler of another object could do.
    /// fn complete() -> Result<(), Rejection> {
    ///     Todo::at("42").complete()?;
    ///     Ok(())
    /// }
    /// ```
    fn at(key: impl Into<String>) -> Self::Client {
        ObjectRef::new(Self::TYPE_NAME, key).into()
    }

    /// Returns a client that sends messages to the object with the key `key`, for use in a handler of another
    /// object.
    ///
    /// The client has one method per handler, with the handler's arguments. Each method returns a
    /// `Result<(), EffectError>` at once. The host calls the handler after this call's change is committed: see
    /// [`Context::send`](crate::Context::send).
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # #[derive(ObjectState)] struct Todo { completed: bool }
    /// # #[object] impl Todo { fn complete(&mut self) { self.completed = true; } }
    /// /// What a handler of another object could do.
    /// fn complete_all(todos: &[String]) -> Result<(), Rejection> {
    ///     for todo in todos {
    ///         Todo::send_to(todo).complete()?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    fn send_to(key: impl Into<String>) -> Self::Messages {
        ObjectRef::new(Self::TYPE_NAME, key).into()
    }

    /// Returns the descriptions of all handlers, `get` and `put` first.
    #[doc(hidden)]
    fn handlers() -> Vec<Handler>;

    /// Runs the handler named `handler`. After an error, the state must not be used again.
    #[doc(hidden)]
    fn dispatch(
        &mut self,
        ctx: &Context,
        handler: &str,
        argument: &[u8],
    ) -> Result<Vec<u8>, HandlerError>;
}

/// Type that a field of a state can have.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be in the state of an object",
    label = "cannot be stored",
    note = "put `#[data]` on its definition; errors about `serde` and `schemars` for the same type have the same cause"
)]
pub trait Storable {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + JsonSchema> Storable for T {}

/// Compiles only for types that can be stored.
#[doc(hidden)]
pub fn state_field<T: Storable>() {}

/// Returns a state with its defaults.
#[doc(hidden)]
pub fn new<S: ObjectState>() -> S {
    S::default()
}

/// Runs the handler `get`, which returns the whole state.
#[doc(hidden)]
pub fn get<S: ObjectState>(state: &S, argument: &[u8]) -> Result<Vec<u8>, HandlerError> {
    no_argument(argument)?;
    reply(state)
}

/// Runs the handler `put`, which replaces the whole state.
#[doc(hidden)]
pub fn put<S: ObjectState>(state: &mut S, argument: &[u8]) -> Result<Vec<u8>, HandlerError> {
    *state = object_argument(argument)?;
    reply(&())
}
