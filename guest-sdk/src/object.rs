//! The two traits behind the macros: the shape of a state, and the handlers on it.
//!
//! Nobody implements them by hand. They are public so that bounds can name them, and so that the compiler has a place
//! to say which macro is missing.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::{CallError, no_argument, object_argument, reply};
use crate::codec::StateCodec;
use crate::context::Context;
use crate::description::Handler;
use crate::migration::{RestoreError, unread};
use crate::reference::ObjectRef;

/// The state of an object. Made by `#[derive(ObjectState)]`.
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
    /// Version of the shape of the state, from 1: `#[state(version = 2)]`.
    const SCHEMA_VERSION: u32;

    /// The doc comment of the struct.
    const DOCUMENTATION: &'static str;

    /// How the state is written: `#[state(codec = ..)]`, JSON unless it says otherwise.
    type Codec: StateCodec;

    /// The oldest version whose snapshots are read, by way of the structs that `#[state(migrate_from = ..)]` names.
    const OLDEST_VERSION: u32 = Self::SCHEMA_VERSION;

    /// Reads a snapshot of a version from `OLDEST_VERSION` to the one before `SCHEMA_VERSION`.
    #[doc(hidden)]
    fn migrate(from_version: u32, snapshot: &[u8]) -> Result<Self, RestoreError> {
        let _ = snapshot;
        Err(unread::<Self>(from_version))
    }
}

/// A state with handlers: a whole object type. Made by `#[object]` on an `impl` of the state.
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
    /// The name of the object type, such as `shopping-list`.
    const TYPE_NAME: &'static str;

    /// The doc comment of the `impl` block, or that of the struct where it has none.
    const DOCUMENTATION: &'static str;

    /// Whether those who watch an object are shown its state after every change: `#[object(shows_state = true)]`.
    const SHOWS_STATE: bool = false;

    /// The object of this type that has a certain key, with a method for each handler.
    #[doc(hidden)]
    type Client: From<ObjectRef>;

    /// The same, by message.
    #[doc(hidden)]
    type Messages: From<ObjectRef>;

    /// The object with the key `key`, to be called from a handler of another one.
    ///
    /// It has a method for each handler, with the handler's arguments, which answers with a `Result<Reply,
    /// CallFailed>`; and the options of [`Client`](crate::Client). Where the type has a handler `at`, it is written
    /// `<Todo as Object>::at("42")`.
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

    /// The object with the key `key`, to be sent messages from a handler of another one.
    ///
    /// It has a method for each handler, with the handler's arguments, which answers with a `Result<(), EffectError>`
    /// at once. The handler is called after this call's change is committed: see
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

    /// All handlers, `get` and `put` first.
    #[doc(hidden)]
    fn handlers() -> Vec<Handler>;

    /// Runs the handler that is called `handler`. After an error the state is not to be used any more.
    #[doc(hidden)]
    fn dispatch(
        &mut self,
        ctx: &Context,
        handler: &str,
        argument: &[u8],
    ) -> Result<Vec<u8>, CallError>;
}

/// Type that a field of a state can have.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be in the state of an object",
    label = "cannot be stored",
    note = "put `#[data]` on its definition; messages about `serde` and `schemars` for the same type follow from this"
)]
pub trait Storable {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + JsonSchema> Storable for T {}

/// Compiles for a type that can be stored.
#[doc(hidden)]
pub fn state_field<T: Storable>() {}

/// A state with its defaults.
#[doc(hidden)]
pub fn new<S: ObjectState>() -> S {
    S::default()
}

/// The handler `get`.
#[doc(hidden)]
pub fn get<S: ObjectState>(state: &S, argument: &[u8]) -> Result<Vec<u8>, CallError> {
    no_argument(argument)?;
    reply(state)
}

/// The handler `put`.
#[doc(hidden)]
pub fn put<S: ObjectState>(state: &mut S, argument: &[u8]) -> Result<Vec<u8>, CallError> {
    *state = object_argument(argument)?;
    reply(&())
}
