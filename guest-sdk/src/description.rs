//! Description of an object type: its name, the schema of its state, and its handlers.
//!
//! Owns the plain data and generates the schemas; `component.rs` converts the data into the records of the WIT
//! world.

use schemars::generate::{Contract, SchemaSettings};
use schemars::{Schema, SchemaGenerator};

use crate::Json;
use crate::call::Described;
use crate::codec::StateCodec as _;
use crate::object::{Object, ObjectState};

/// Access of a handler to the state.
///
/// # Examples
///
/// ```
/// # use highlander_sdk::HandlerKind;
/// // `&mut self` makes an update, `&self` a query.
/// assert_ne!(HandlerKind::Update, HandlerKind::Query);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandlerKind {
    /// May change the state.
    Update,
    /// Must not change the state.
    Query,
}

/// One handler of an object type.
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
/// impl Lamp {
///     /// Turns the lamp on.
///     fn light(&mut self) {
///         self.on = true;
///     }
/// }
///
/// let description = highlander_sdk::Description::of::<Lamp>();
/// let light = description.handlers.iter().find(|handler| handler.name == "light").unwrap();
/// assert_eq!(light.kind, highlander_sdk::HandlerKind::Update);
/// assert_eq!(light.documentation, "Turns the lamp on.");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Handler {
    /// Name of the handler: the name of the method.
    pub name: &'static str,
    /// Access to the state.
    pub kind: HandlerKind,
    /// Doc comment of the method.
    pub documentation: &'static str,
    /// JSON Schema of the argument, as JSON text.
    pub argument_schema: String,
    /// JSON Schema of the reply, as JSON text.
    pub reply_schema: String,
}

impl Handler {
    /// Describes a handler with the argument `A` and the reply `R`.
    #[doc(hidden)]
    pub fn new<A: Described, R: Described>(
        name: &'static str,
        kind: HandlerKind,
        documentation: &'static str,
    ) -> Handler {
        Handler {
            name,
            kind,
            documentation,
            argument_schema: schema_of::<A>(Contract::Deserialize),
            reply_schema: schema_of::<R>(Contract::Serialize),
        }
    }

    /// Describes the generated handler `get`.
    #[doc(hidden)]
    pub fn get<S: ObjectState>() -> Handler {
        Handler::new::<(), S>("get", HandlerKind::Query, "Returns the whole state.")
    }

    /// Describes the generated handler `put`.
    #[doc(hidden)]
    pub fn put<S: ObjectState>() -> Handler {
        let documentation = "Replaces the whole state. Missing fields take their defaults.";
        Handler::new::<S, ()>("put", HandlerKind::Update, documentation)
    }
}

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

/// Returns the JSON Schema of `T` (draft 2020-12) as compact JSON text, without `$schema`.
fn schema_of<T: Described>(contract: Contract) -> String {
    schema_text(contract, T::json_schema)
}

/// Adds the aliases of fields as deprecated properties to a schema for deserialization.
#[doc(hidden)]
pub fn with_aliases(
    mut schema: Schema,
    generator: &SchemaGenerator,
    aliases: &[(&str, &str)],
) -> Schema {
    let properties = schema.get_mut("properties").and_then(Json::as_object_mut);
    let (Some(properties), Contract::Deserialize) = (properties, generator.contract()) else {
        return schema;
    };
    for (name, alias) in aliases {
        let Some(mut field) = properties.get(*name).cloned() else { continue };
        if let Json::Object(field) = &mut field {
            field.insert("deprecated".to_owned(), Json::Bool(true));
        }
        properties.insert((*alias).to_owned(), field);
    }
    schema
}

/// Type-independent part of `schema_of`: compiled once per component instead of once per type.
#[inline(never)]
fn schema_text(contract: Contract, schema: fn(&mut SchemaGenerator) -> Schema) -> String {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.contract = contract);
    let mut generator = settings.into_generator();
    let mut schema = schema(&mut generator);
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), Json::Object(definitions));
    }
    // Not its `Display`, which would link a second serializer, for indented JSON.
    serde_json::to_string(schema.as_value()).unwrap_or_else(|_| "true".to_owned())
}
