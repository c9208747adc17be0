//! [`Object`], which the macro `#[object]` implements: the handlers on a state.
//!
//! The trait is public so that bounds can name it, and so that compiler errors can report which macro is missing. Do
//! not implement it by hand.

use crate::call::{HandlerError, no_argument, object_argument, reply};
use crate::context::Context;
use crate::handler::Handler;
use crate::object_ref::ObjectRef;
use crate::state::ObjectState;

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
