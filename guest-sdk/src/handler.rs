//! [`Handler`]: description of one handler.

use schemars::generate::Contract;

use crate::call::Described;
use crate::schema::schema_of;
use crate::state::ObjectState;

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
