//! Description of an object type: its name, the schema of its state, and its handlers.
//!
//! Owns the plain data; `component.rs` converts it into the records of the WIT world.

use schemars::generate::Contract;

use crate::handler::Handler;
use crate::object::Object;
use crate::schema::schema_of;
use crate::state::{ObjectState, StateCodec as _};

/// Description of an object type.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// #[derive(ObjectState)]
/// struct Lamp {
///     on: bool,
/// }
///
/// #[object]
/// impl Lamp {}
///
/// let description = highlander_sdk::Description::of::<Lamp>();
/// assert_eq!(description.name, "lamp");
/// assert_eq!(description.handlers.len(), 2, "`get` and `put` come for free");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Description {
    /// Name of the object type.
    pub name: &'static str,
    /// Description of the object type for people.
    pub documentation: &'static str,
    /// Version of the state's schema.
    pub schema_version: u32,
    /// Media type of stored states.
    pub state_content_type: &'static str,
    /// JSON Schema of the state as callers see it, as JSON text.
    pub state_schema: String,
    /// All handlers.
    pub handlers: Vec<Handler>,
    /// Whether subscribers of an object receive its state after every change.
    pub publish_state: bool,
}

impl Description {
    /// Describes the object type `O`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::Description;
    /// fn handler_names<O: Object>() -> Vec<&'static str> {
    ///     Description::of::<O>().handlers.iter().map(|handler| handler.name).collect()
    /// }
    /// ```
    pub fn of<O: Object>() -> Description {
        Description {
            name: O::TYPE_NAME,
            documentation: <O as Object>::DOCUMENTATION,
            schema_version: <O as ObjectState>::SCHEMA_VERSION,
            state_content_type: <O as ObjectState>::Codec::CONTENT_TYPE,
            state_schema: schema_of::<O>(Contract::Deserialize),
            handlers: O::handlers(),
            publish_state: O::SHOWS_STATE,
        }
    }
}
