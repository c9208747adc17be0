//! Items that the macro expansions refer to. Not part of the public interface; they may change in any release.

pub use std::format;

pub use schemars;
pub use serde;

pub use crate::call::{
    Fallible, HandlerError, PlainReply, ReplyType, argument, no_argument, object_argument, reply,
};
pub use crate::client::{Calls, Messages, Owned, Plain, Reach, Rejecting};
pub use crate::handler::{Handler, HandlerKind};
pub use crate::migration::migrate;
pub use crate::object::{get, put};
pub use crate::schema::with_aliases;
pub use crate::state::{new, state_field};

#[cfg(target_family = "wasm")]
pub use crate::__export_component as export;
#[cfg(target_family = "wasm")]
pub use crate::component::{Component, Slot};
#[cfg(target_family = "wasm")]
pub use crate::wit::bindings;
