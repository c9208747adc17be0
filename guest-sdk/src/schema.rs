//! JSON Schemas of states, arguments and replies.

use schemars::generate::{Contract, SchemaSettings};
use schemars::{Schema, SchemaGenerator};

use crate::Json;
use crate::call::Described;

/// Returns the JSON Schema of `T` (draft 2020-12) as compact JSON text, without `$schema`.
pub(crate) fn schema_of<T: Described>(contract: Contract) -> String {
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
