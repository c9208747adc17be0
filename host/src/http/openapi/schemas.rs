//! Combines the schemas of all types into one document. Definitions inside a schema move to `components/schemas`,
//! prefixed with the type's name, and references are rewritten.

use std::collections::BTreeMap;

use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::names::comparable;
use crate::wire::problem::Document;

const PLACE: &str = "#/components/schemas/";
/// Keywords that contain definitions, in current and earlier drafts of JSON Schema.
const FOLDERS: [&str; 2] = ["$defs", "definitions"];

/// Schemas of the documents that the node serializes, from the types in [`wire`](crate::wire).
#[derive(Debug)]
pub(super) struct WireSchemas(SchemaGenerator);

impl WireSchemas {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.contract = Contract::Serialize;
        });
        Self(settings.into_generator())
    }

    /// Returns the schema of a type: a reference, unless it is plain.
    pub(super) fn take<T: JsonSchema>(&mut self) -> Value {
        self.0.subschema_for::<T>().into()
    }

    /// Returns the schema of problem documents.
    pub(super) fn problem(&mut self) -> Value {
        self.take::<Document>()
    }

    /// Returns all schemas that others refer to.
    pub(super) fn into_map(mut self) -> Map<String, Value> {
        self.0.take_definitions(true)
    }
}

/// All definitions so far.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    placed: Map<String, Value>,
    /// Original definitions by their assigned names. The handlers of a type share most of theirs, so equal ones
    /// are stored once.
    given: BTreeMap<String, Value>,
}

/// Definition inside a schema.
struct Definition {
    /// Reference by which the schema refers to it.
    reference: String,
    name: String,
    schema: Value,
}

impl Schemas {
    /// Returns the schema so that it is valid anywhere in the document. If it refers to itself, it is stored under
    /// `own_name`, and a reference is returned.
    pub(super) fn take(&mut self, type_name: &str, own_name: &str, schema: &Value) -> Value {
        let mut schema = schema.clone();
        bound(&mut schema);
        let definitions = definitions(&mut schema);
        let suffix = self.suffix(type_name, &definitions);
        let placed = |definition: &Definition| format!("{type_name}.{}{suffix}", definition.name);
        let mut moves: BTreeMap<_, _> = definitions
            .iter()
            .map(|definition| {
                (definition.reference.clone(), format!("{PLACE}{}", placed(definition)))
            })
            .collect();
        moves.insert("#".to_owned(), format!("{PLACE}{own_name}"));
        let mut refers_to_itself = follow(&mut schema, &moves);
        for definition in definitions {
            let (name, mut moved) = (placed(&definition), definition.schema.clone());
            refers_to_itself |= follow(&mut moved, &moves);
            self.given.insert(name.clone(), definition.schema);
            self.placed.insert(name, moved);
        }
        if !refers_to_itself {
            return schema;
        }
        self.placed.insert(own_name.to_owned(), schema);
        json!({ "$ref": format!("{PLACE}{own_name}") })
    }

    pub(super) fn into_map(self) -> Map<String, Value> {
        self.placed
    }

    /// Returns a suffix that makes the names of a schema's definitions unique. All share one suffix, because they
    /// refer to each other.
    fn suffix(&self, type_name: &str, definitions: &[Definition]) -> String {
        let fits = |suffix: &String| {
            definitions.iter().all(|definition| {
                let name = format!("{type_name}.{}{suffix}", definition.name);
                match self.given.get(&name) {
                    Some(given) => *given == definition.schema,
                    // Tools normalize names, and the names must stay distinct afterwards.
                    None => !self.given.keys().any(|known| comparable(known) == comparable(&name)),
                }
            })
        };
        let numbered = (2..).map(|number: u32| format!("-{number}"));
        std::iter::once(String::new()).chain(numbered).find(fits).unwrap_or_default()
    }
}

/// Removes the definitions from a schema and returns them.
fn definitions(schema: &mut Value) -> Vec<Definition> {
    let Some(schema) = schema.as_object_mut() else { return Vec::new() };
    schema.remove("$schema");
    let mut definitions = Vec::new();
    for folder in FOLDERS {
        // A keyword that does not contain an object is an error in the type's own schema, and is visible there.
        let Some(Value::Object(found)) = schema.get_mut(folder).map(Value::take) else { continue };
        schema.remove(folder);
        definitions.extend(found.into_iter().map(|(name, schema)| Definition {
            reference: format!("#/{folder}/{}", name.replace('~', "~0").replace('/', "~1")),
            name: plain(&name),
            schema,
        }));
    }
    definitions
}

/// Adds explicit bounds to integers according to their formats. Not every tool supports these formats, and the
/// host rejects numbers outside the bounds.
fn bound(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else {
        return schema.as_array_mut().into_iter().flatten().for_each(bound);
    };
    let format = members.get("format").and_then(Value::as_str);
    let bounds: Option<(Value, Value)> = match format {
        Some("uint8") => Some((0.into(), u8::MAX.into())),
        Some("uint16") => Some((0.into(), u16::MAX.into())),
        Some("uint32") => Some((0.into(), u32::MAX.into())),
        // Components are 32-bit, and so is their `usize`.
        Some("uint") => Some((0.into(), u32::MAX.into())),
        Some("uint64") => Some((0.into(), u64::MAX.into())),
        Some("int8") => Some((i8::MIN.into(), i8::MAX.into())),
        Some("int16") => Some((i16::MIN.into(), i16::MAX.into())),
        Some("int32" | "int") => Some((i32::MIN.into(), i32::MAX.into())),
        Some("int64") => Some((i64::MIN.into(), i64::MAX.into())),
        _ => None,
    };
    if let Some((least, most)) = bounds {
        for (name, others, value) in
            [("minimum", "exclusiveMinimum", least), ("maximum", "exclusiveMaximum", most)]
        {
            if !members.contains_key(others) {
                members.entry(name).or_insert(value);
            }
        }
    }
    for (name, value) in members {
        if !matches!(name.as_str(), "const" | "enum" | "default" | "examples") {
            bound(value);
        }
    }
}

/// Replaces the characters that OpenAPI does not allow in names.
fn plain(name: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    name.chars().map(|char| if is_plain(char) { char } else { '_' }).collect()
}

/// Rewrites all references to moved definitions. Returns whether one of them is to the schema itself.
fn follow(schema: &mut Value, moves: &BTreeMap<String, String>) -> bool {
    match schema {
        Value::Object(members) => {
            let mut refers_to_itself = false;
            for (name, value) in members.iter_mut() {
                match (name.as_str(), &*value) {
                    ("$ref", Value::String(reference)) => {
                        refers_to_itself |= reference == "#";
                        if let Some(to) = moves.get(reference) {
                            *value = json!(to);
                        }
                    }
                    // These contain values, in which anything may look like a reference.
                    ("const" | "enum" | "default" | "examples", _) => {}
                    _ => refers_to_itself |= follow(value, moves),
                }
            }
            refers_to_itself
        }
        Value::Array(items) => {
            items.iter_mut().fold(false, |refers, item| follow(item, moves) | refers)
        }
        _ => false,
    }
}
