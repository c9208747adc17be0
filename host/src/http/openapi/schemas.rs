//! The schemas of all types in one document: definitions that a schema carries move to `components/schemas`, under the
//! name of its type, and what refers to them follows.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

const PLACE: &str = "#/components/schemas/";
/// Where JSON Schemas keep their definitions, now and in earlier drafts.
const FOLDERS: [&str; 2] = ["$defs", "definitions"];

/// All definitions so far.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    placed: Map<String, Value>,
    /// As they were given, by the names that they have now: handlers of a type share most of theirs.
    given: BTreeMap<String, Value>,
}

/// A definition that a schema carries.
struct Definition {
    /// How the schema refers to it.
    reference: String,
    name: String,
    schema: Value,
}

impl Schemas {
    /// A schema as it may stand anywhere in the document. `own_name` is what it is called where it refers to itself.
    pub(super) fn take(&mut self, type_name: &str, own_name: &str, schema: &Value) -> Value {
        let mut schema = schema.clone();
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

    /// What follows the names of a schema's definitions, so that none is another's: one for all, because they refer to
    /// each other.
    fn suffix(&self, type_name: &str, definitions: &[Definition]) -> String {
        let fits = |suffix: &String| {
            definitions.iter().all(|definition| {
                let name = format!("{type_name}.{}{suffix}", definition.name);
                self.given.get(&name).is_none_or(|given| *given == definition.schema)
            })
        };
        let numbered = (2..).map(|number: u32| format!("-{number}"));
        std::iter::once(String::new()).chain(numbered).find(fits).unwrap_or_default()
    }
}

/// Takes the definitions out of a schema.
fn definitions(schema: &mut Value) -> Vec<Definition> {
    let Some(schema) = schema.as_object_mut() else { return Vec::new() };
    schema.remove("$schema");
    let mut definitions = Vec::new();
    for folder in FOLDERS {
        // A folder that is no object is a mistake of the type's, which its own schema shows.
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

/// A name as OpenAPI takes it.
fn plain(name: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    name.chars().map(|char| if is_plain(char) { char } else { '_' }).collect()
}

/// Has all references follow what moved; whether one of them is to the schema itself.
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
                    // Values, which may look like anything.
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
