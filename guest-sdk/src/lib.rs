//! SDK for authors of Highlander objects.
//!
//! An **object** has an identity (`todo/42`), a state, and handlers that read or change the state. An object type
//! is a struct with [`#[derive(ObjectState)]`](derive@ObjectState) and an `impl` block with
//! [`#[object]`](macro@object). A method with `&mut self` is an **update**, one with `&self` a **query**. Compiled
//! for `wasm32-wasip2`, the crate is a component that can be deployed to a running host.
//!
//! The SDK is the typed layer over the WIT world in `wit/`: JSON arguments and replies, schemas, defaults and
//! rejections. Only the state survives between calls. Objects have no access to the network or the file system.
//!
//! # Examples
//!
//! A complete object and a test of it:
//!
//! ```
//! use highlander_sdk::prelude::*;
//! use highlander_sdk::testing::Harness;
//!
//! /// Color of a task.
//! #[data]
//! #[derive(Copy)]
//! enum Color {
//!     Red,
//!     Blue,
//! }
//!
//! /// A single task.
//! #[derive(ObjectState)]
//! struct Todo {
//!     /// Title of the task.
//!     title: String,
//!     completed: bool,
//!     #[state(default = Color::Blue)]
//!     color: Color,
//! }
//!
//! #[object]
//! impl Todo {
//!     /// Marks the task as done.
//!     fn complete(&mut self, ctx: &Context) -> Result<(), Rejection> {
//!         if self.completed {
//!             reject!("already-completed", "{} is done already", ctx.key());
//!         }
//!         self.completed = true;
//!         Ok(())
//!     }
//!
//!     /// Paints the task, and answers with the color that it had.
//!     fn paint(&mut self, color: Color) -> Color {
//!         std::mem::replace(&mut self.color, color)
//!     }
//!
//!     /// Whether the task is done.
//!     fn is_done(&self) -> bool {
//!         self.completed
//!     }
//! }
//!
//! let mut todo = Harness::<Todo>::new();
//! todo.call("put", json!({ "title": "buy milk" })).unwrap();
//! assert_eq!(todo.call("paint", "red").unwrap(), "blue");
//! todo.call("complete", ()).unwrap();
//! assert_eq!(todo.call("is_done", ()).unwrap(), true);
//! assert_eq!(todo.rejection("complete", ()).code(), "already-completed");
//! ```

#![deny(missing_docs)]
// Only components and tests drive objects; a plain native build has neither.
#![cfg_attr(
    not(any(target_family = "wasm", feature = "testing")),
    allow(dead_code, reason = "only components and tests drive objects")
)]

mod alarm;
mod bytes;
mod call;
mod caller;
mod client;
mod codec;
mod context;
mod description;
mod effects;
mod error;
mod handler;
mod host;
mod instance;
mod migration;
mod object;
mod object_ref;
mod reading;
mod rejection;
mod restore_error;
mod schema;
mod state;
mod writing;

#[cfg(target_family = "wasm")]
mod component;
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub mod testing;
#[cfg(target_family = "wasm")]
mod wit;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use highlander_macros::{ObjectState, data, object};
pub use serde_json::{Value as Json, json};

pub use crate::alarm::{Alarm, Due};
pub use crate::bytes::Bytes;
pub use crate::call::{Argument, Described, Fallible, HandlerError, Reply};
pub use crate::caller::{Caller, ObjectId, Trigger};
pub use crate::client::Client;
pub use crate::codec::JsonCodec;
pub use crate::context::Context;
pub use crate::description::Description;
pub use crate::effects::SetAlarm;
pub use crate::error::{CallError, EffectError};
pub use crate::handler::{Handler, HandlerKind};
pub use crate::host::LogLevel;
pub use crate::migration::MigrateInto;
pub use crate::object::Object;
pub use crate::object_ref::ObjectRef;
pub use crate::rejection::Rejection;
pub use crate::restore_error::RestoreError;
pub use crate::state::{ObjectState, StateCodec};

/// Everything that an object needs, for import with one `use`.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// #[derive(ObjectState)]
/// struct Counter {
///     value: u64,
/// }
///
/// #[object]
/// impl Counter {
///     fn increment(&mut self) -> u64 {
///         self.value += 1;
///         self.value
///     }
/// }
/// ```
pub mod prelude {
    pub use crate::Client as _;
    pub use crate::{
        Bytes, CallError, Caller, Context, Due, EffectError, HandlerError, Json, Object, ObjectId,
        ObjectRef, ObjectState, Rejection, Trigger, data, json, object, reject,
    };
    // Types that states and alarms use frequently.
    pub use std::collections::{BTreeMap, BTreeSet};
    pub use std::time::Duration;
}
