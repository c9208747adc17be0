//! JSON Schemas of names: each is text of a form.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Digest, NodeId, ObjectId, TypeName};

macro_rules! text_schemas {
    ($($name:ident: $schema:tt;)*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            // Shorter than a reference to it.
            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

text_schemas! {
    TypeName: { "type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$" };
    NodeId: { "type": "string" };
    ObjectId: { "type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}/" };
    Digest: { "type": "string", "pattern": "^[0-9a-f]{64}$" };
}
