//! Validates the form of a JSON Schema: known keywords have the right form, and local references resolve. Unknown
//! keywords are accepted, and the meaning of the schema is not checked.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// Form of a keyword's value.
enum Form {
    Schema,
    /// A schema, or a list of schemas as in older dialects.
    SchemaOrSchemas,
    /// A list of schemas, at least one.
    Schemas,
    /// Schemas by name.
    Named,
    /// A list of strings.
    Names,
    /// One of the types, or a list of them.
    Types,
    List,
    Number,
    /// A non-negative integer.
    Count,
    Reference,
}

const KEYWORDS: &[(&[&str], Form)] = &[
    (
        &[
            "additionalProperties",
            "contains",
            "else",
            "if",
            "not",
            "propertyNames",
            "then",
            "unevaluatedItems",
            "unevaluatedProperties",
        ],
        Form::Schema,
    ),
    (&["items"], Form::SchemaOrSchemas),
    (&["allOf", "anyOf", "oneOf", "prefixItems"], Form::Schemas),
    (&["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"], Form::Named),
    (&["required"], Form::Names),
    (&["type"], Form::Types),
    (&["enum", "examples"], Form::List),
    (&["exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"], Form::Number),
    (
        &["maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"],
        Form::Count,
    ),
    (&["$ref"], Form::Reference),
];

/// Validates a schema; the error names the problem and its location.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    check_within(schema, schema)
}

fn check_within(root: &Value, schema: &Value) -> Result<(), String> {
    match schema {
        Value::Bool(_) => Ok(()),
        Value::Object(map) => check_keywords(root, map),
        _ => Err("it is neither an object nor a boolean".to_owned()),
    }
}

fn check_keywords(root: &Value, map: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in map {
        let form = KEYWORDS.iter().find(|(names, _)| names.contains(&name.as_str()));
        let Some((_, form)) = form else { continue };
        check_form(root, form, value).map_err(|why| format!("{name} {why}"))?;
    }
    Ok(())
}

fn check_form(root: &Value, form: &Form, value: &Value) -> Result<(), String> {
    let must = |holds: bool, be: &str| if holds { Ok(()) } else { Err(format!("is not {be}")) };
    let within = |schema: &Value| check_within(root, schema).map_err(|why| format!("> {why}"));
    match (form, value) {
        (Form::Schema | Form::SchemaOrSchemas, Value::Object(_) | Value::Bool(_)) => within(value),
        (Form::Schema | Form::SchemaOrSchemas, _) if !value.is_array() => must(false, "a schema"),
        (Form::Schema, _) => must(false, "a schema"),
        (Form::Schemas | Form::SchemaOrSchemas, Value::Array(schemas)) => {
            must(!schemas.is_empty(), "a list of schemas: it is empty")?;
            schemas.iter().try_for_each(within)
        }
        (Form::Schemas | Form::SchemaOrSchemas, _) => must(false, "a list of schemas"),
        (Form::Named, Value::Object(schemas)) => schemas.iter().try_for_each(|(name, schema)| {
            let name = super::super::text::cut(name, 60);
            check_within(root, schema).map_err(|why| format!("> {name:?}: {why}"))
        }),
        (Form::Named, _) => must(false, "an object of schemas"),
        (Form::Names, Value::Array(names)) => {
            must(names.iter().all(Value::is_string), "a list of strings")
        }
        (Form::Names, _) => must(false, "a list of strings"),
        (Form::Types, Value::Array(types)) => {
            must(!types.is_empty() && types.iter().all(is_type), "a list of JSON types")
        }
        (Form::Types, _) => must(is_type(value), "a JSON type"),
        (Form::List, _) => must(value.is_array(), "a list"),
        (Form::Number, _) => must(value.is_number(), "a number"),
        (Form::Count, _) => must(is_count(value), "a non-negative integer"),
        (Form::Reference, Value::String(reference)) => {
            must(is_there(root, reference), "a reference to an existing definition")
        }
        (Form::Reference, _) => must(false, "a string"),
    }
}

fn is_type(value: &Value) -> bool {
    value.as_str().is_some_and(|name| TYPES.contains(&name))
}

/// 3.0 counts as an integer.
fn is_count(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number >= 0.0 && number.fract() == 0.0)
}

/// Whether a reference resolves. Only JSON pointers into the schema itself are checked; external references and
/// anchors pass.
fn is_there(root: &Value, reference: &str) -> bool {
    let Some(pointer) = reference.strip_prefix('#') else { return true };
    let is_pointer = pointer.is_empty() || pointer.starts_with('/');
    let pointer = percent_decode_str(pointer).decode_utf8();
    !is_pointer || pointer.is_ok_and(|pointer| root.pointer(&pointer).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_pass_with_keywords_that_are_not_known() {
        for schema in [
            json!(true),
            json!({}),
            json!({"type": ["string", "null"], "title": 7, "x-own": {"type": 7}}),
            json!({"$ref": "#/$defs/a%20b", "$defs": {"a b": {"$ref": "#"}}}),
            json!({"$ref": "https://example.org/schema"}),
            json!({"properties": {"type": {"type": "integer", "minimum": -1, "maxLength": 3.0}}}),
            json!({"items": [true, {"enum": [1]}], "required": []}),
        ] {
            assert_eq!(check(&schema), Ok(()), "{schema}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (schema, why) in [
            (json!(7), "it is neither an object nor a boolean"),
            (json!({"type": "text"}), "type is not a JSON type"),
            (json!({"type": []}), "type is not a list of JSON types"),
            (json!({"required": "id"}), "required is not a list of strings"),
            (json!({"properties": ["id"]}), "properties is not an object of schemas"),
            (
                json!({"properties": {"id": {"items": {"enum": 1}}}}),
                "properties > \"id\": items > enum is not a list",
            ),
            (json!({"oneOf": []}), "oneOf is not a list of schemas: it is empty"),
            (json!({"anyOf": {}}), "anyOf is not a list of schemas"),
            (json!({"not": []}), "not is not a schema"),
            (json!({"items": "string"}), "items is not a schema"),
            (json!({"minLength": -1}), "minLength is not a non-negative integer"),
            (json!({"minimum": "1"}), "minimum is not a number"),
            (json!({"$ref": "#/$defs/a"}), "$ref is not a reference to an existing definition"),
        ] {
            assert_eq!(check(&schema), Err(why.to_owned()), "{schema}");
        }
    }
}
