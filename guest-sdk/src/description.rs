//! What an object type says of itself: its name, its state's shape and its handlers.
//!
//! Owns the plain data; `component.rs` turns it into the contract's records. The schemas are made here.

use schemars::generate::{Contract, SchemaSettings};
use schemars::{Schema, SchemaGenerator};

use crate::Json;
use crate::call::Described;
use crate::codec::StateCodec as _;
use crate::object::{Object, ObjectState};

/// What a handler may do with the state.
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
    /// May not change the state.
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
    /// Its name: that of the method.
    pub name: &'static str,
    /// Whether it may change the state.
    pub kind: HandlerKind,
    /// The doc comment of the method.
    pub documentation: &'static str,
    /// JSON Schema of its argument, as JSON text.
    pub argument_schema: String,
    /// JSON Schema of its reply, as JSON text.
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

    /// Describes the handler `get` that comes with every object.
    #[doc(hidden)]
    pub fn get<S: ObjectState>() -> Handler {
        Handler::new::<(), S>("get", HandlerKind::Query, "Answers with the whole state.")
    }

    /// Describes the handler `put` that comes with every object.
    #[doc(hidden)]
    pub fn put<S: ObjectState>() -> Handler {
        let documentation = "Replaces the whole state. What is left out takes its default.";
        Handler::new::<S, ()>("put", HandlerKind::Update, documentation)
    }
}

/// What an object type says of itself.
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
    /// The name of the object type.
    pub name: &'static str,
    /// What objects of this type are, for people.
    pub documentation: &'static str,
    /// Version of the shape of the state.
    pub schema_version: u32,
    /// Media type of stored states.
    pub state_content_type: &'static str,
    /// JSON Schema of the state as callers see it, as JSON text.
    pub state_schema: String,
    /// All handlers.
    pub handlers: Vec<Handler>,
    /// Whether those who watch an object are shown its state after every change.
    pub shows_state: bool,
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
            shows_state: O::SHOWS_STATE,
        }
    }
}

/// The JSON Schema of `T` as compact JSON text, without the key that names the dialect (2020-12).
fn schema_of<T: Described>(contract: Contract) -> String {
    schema_text(contract, T::json_schema)
}

/// Adds the other names under which fields are read to the schema of what is read.
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

/// The part of it that does not depend on the type, once per component and not once per type.
#[inline(never)]
fn schema_text(contract: Contract, schema: fn(&mut SchemaGenerator) -> Schema) -> String {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.contract = contract);
    let mut generator = settings.into_generator();
    let mut schema = schema(&mut generator);
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), Json::Object(definitions));
    }
    // Not its `Display`, which would bring a second writer, for indented JSON.
    serde_json::to_string(schema.as_value()).unwrap_or_else(|_| "true".to_owned())
}
