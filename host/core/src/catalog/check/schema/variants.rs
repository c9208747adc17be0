//! Alternatives of a schema: single values, and kinds of values with their keywords. This module follows
//! references and flattens unions.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::Steps;

/// Maximum number of references, and of nested unions, that are followed.
const NESTING_MAX: usize = 16;

/// Keywords that constrain a value directly, without alternatives.
const PLAIN: &[&str] = &[
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
];

/// Keywords that may change the combined meaning of all others.
const OPAQUE: &[&str] =
    &["allOf", "if", "dependentRequired", "dependentSchemas", "$dynamicRef", "$recursiveRef"];

/// One way to fit a schema.
#[derive(Debug, Clone, Copy)]
pub(super) enum Alternative<'a> {
    /// Unsupported construct.
    Unknown,
    /// Exactly this value.
    Value(&'a Value),
    /// Values of this kind that satisfy the keywords.
    Kind(Kind, Keywords<'a>),
}

/// JSON type. A whole number is also a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Whole,
    Number,
    Text,
    List,
    Object,
}

/// Every kind, except `Whole`, which `Number` contains.
const ALL: [Kind; 6] =
    [Kind::Null, Kind::Boolean, Kind::Number, Kind::Text, Kind::List, Kind::Object];

impl Kind {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "integer" => Self::Whole,
            "number" => Self::Number,
            "string" => Self::Text,
            "array" => Self::List,
            "object" => Self::Object,
            _ => return None,
        })
    }

    /// Whether the value is of this kind.
    pub(super) fn has(self, value: &Value) -> bool {
        match value {
            Value::Null => self == Self::Null,
            Value::Bool(_) => self == Self::Boolean,
            Value::Number(number) => {
                let is_whole = number.as_f64().is_some_and(|number| number.fract() == 0.0);
                self == Self::Number || (self == Self::Whole && is_whole)
            }
            Value::String(_) => self == Self::Text,
            Value::Array(_) => self == Self::List,
            Value::Object(_) => self == Self::Object,
        }
    }
}

/// Keywords of one schema; `None` for the schema `true`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keywords<'a>(Option<&'a Map<String, Value>>);

impl<'a> Keywords<'a> {
    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        self.0?.get(name)
    }

    /// Returns the schemas of the named properties.
    pub(super) fn properties(self) -> Option<&'a Map<String, Value>> {
        self.get("properties")?.as_object()
    }

    /// Returns the items of a keyword that is a list.
    pub(super) fn list(self, name: &str) -> &'a [Value] {
        self.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Returns the names of the required properties.
    pub(super) fn required(self) -> impl Iterator<Item = &'a str> {
        self.list("required").iter().filter_map(Value::as_str)
    }
}

/// Returns the alternatives of a schema. If the schema has keywords in addition to its union, the result is two
/// lists, and both must hold.
pub(super) fn parts<'a>(
    root: &'a Value,
    schema: &'a Value,
    steps: &mut Steps,
) -> Vec<Vec<Alternative<'a>>> {
    let mut plain = Vec::new();
    match resolved(root, schema) {
        Some(Value::Object(map)) if is_mixed(map) => {
            of_keywords(map, &mut plain);
            let mut choice = Vec::new();
            for branch in branches(map) {
                spread(root, branch, 1, &mut choice, steps);
            }
            vec![plain, choice]
        }
        _ => {
            spread(root, schema, 0, &mut plain, steps);
            vec![plain]
        }
    }
}

fn spread<'a>(
    root: &'a Value,
    schema: &'a Value,
    depth: usize,
    found: &mut Vec<Alternative<'a>>,
    steps: &mut Steps,
) {
    let schema = resolved(root, schema);
    let is_within_bounds = depth <= NESTING_MAX && steps.spend(1);
    match schema.filter(|_| is_within_bounds) {
        Some(Value::Bool(true)) => {
            found.extend(ALL.map(|kind| Alternative::Kind(kind, Keywords(None))));
        }
        Some(Value::Bool(false)) => {}
        Some(Value::Object(map)) if is_opaque(map) || is_mixed(map) => {
            found.push(Alternative::Unknown);
        }
        Some(Value::Object(map)) if has_union(map) => {
            for branch in branches(map) {
                spread(root, branch, depth + 1, found, steps);
            }
        }
        Some(Value::Object(map)) => of_keywords(map, found),
        _ => found.push(Alternative::Unknown),
    }
}

fn of_keywords<'a>(map: &'a Map<String, Value>, found: &mut Vec<Alternative<'a>>) {
    if is_opaque(map) {
        return found.push(Alternative::Unknown);
    }
    if let Some(value) = map.get("const") {
        return found.push(Alternative::Value(value));
    }
    match map.get("enum") {
        Some(Value::Array(values)) => return found.extend(values.iter().map(Alternative::Value)),
        Some(_) => return found.push(Alternative::Unknown),
        None => {}
    }
    let of_kind = |kind| Alternative::Kind(kind, Keywords(Some(map)));
    let named =
        |name: &Value| name.as_str().and_then(Kind::named).map_or(Alternative::Unknown, of_kind);
    match map.get("type") {
        None => found.extend(ALL.map(of_kind)),
        Some(Value::Array(names)) => found.extend(names.iter().map(named)),
        Some(name) => found.push(named(name)),
    }
}

/// Returns the schema itself, or the target of its reference; `None` if the target cannot be determined.
pub(super) fn resolved<'a>(root: &'a Value, mut schema: &'a Value) -> Option<&'a Value> {
    for _ in 0..NESTING_MAX {
        let Value::Object(map) = schema else { return Some(schema) };
        let Some(reference) = map.get("$ref") else { return Some(schema) };
        if has_union(map) || has_plain(map) || is_opaque(map) {
            return None;
        }
        let pointer = reference.as_str()?.strip_prefix('#')?;
        let pointer = percent_decode_str(pointer).decode_utf8().ok()?;
        schema = root.pointer(&pointer)?;
    }
    None
}

fn branches(map: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf"].iter().filter_map(|name| map.get(*name)?.as_array()).flatten()
}

fn has_union(map: &Map<String, Value>) -> bool {
    map.contains_key("anyOf") || map.contains_key("oneOf")
}

fn has_plain(map: &Map<String, Value>) -> bool {
    PLAIN.iter().any(|name| map.contains_key(*name))
}

fn is_mixed(map: &Map<String, Value>) -> bool {
    has_union(map) && has_plain(map) && !is_opaque(map)
}

fn is_opaque(map: &Map<String, Value>) -> bool {
    OPAQUE.iter().any(|name| map.contains_key(*name))
        || (map.contains_key("anyOf") && map.contains_key("oneOf"))
        || (map.contains_key("not") && !map.contains_key("type"))
}
