//! Formats JSON Schemas briefly for people: `{title: string, at?: integer}`.
//!
//! Bounds, lengths and descriptions are omitted; `--json` prints the full schema. Schemas come from components and
//! are untrusted, so the depth and length of the output are bounded.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Maximum nesting; deeper parts are shown as `…`, because a schema may refer to itself.
const DEPTH_MAX: usize = 5;
/// Maximum length of the whole text, in characters.
const CHARS_MAX: usize = 100;
/// Maximum number of alternatives, properties or elements shown for one schema.
const PARTS_MAX: usize = 12;

/// Returns the short form of a schema.
pub(super) fn short(schema: &Value) -> String {
    let text = shown(schema, schema, 0);
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn shown(root: &Value, schema: &Value, depth: usize) -> String {
    let Value::Object(schema) = schema else {
        let is_never = *schema == Value::Bool(false);
        return if is_never { "never" } else { "any" }.to_owned();
    };
    if depth == DEPTH_MAX {
        return "…".to_owned();
    }
    let inner = |schema: &Value| shown(root, schema, depth + 1);
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return resolved(root, target).map_or_else(|| "any".to_owned(), inner);
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return joined(values.iter().map(ToString::to_string), "|");
    }
    let alternatives = ["anyOf", "oneOf"].iter().find_map(|word| schema.get(*word)?.as_array());
    if let Some(alternatives) = alternatives {
        return joined(alternatives.iter().map(inner), "|");
    }
    // schemars wraps a reference in `allOf` to add a description.
    if let Some([only]) = schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
        return inner(only);
    }
    match schema.get("type") {
        Some(Value::String(name)) => typed(root, schema, name, depth),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str);
            joined(names.map(|name| typed(root, schema, name, depth)), "|")
        }
        _ if schema.contains_key("properties") => typed(root, schema, "object", depth),
        _ => "any".to_owned(),
    }
}

fn typed(root: &Value, schema: &Map<String, Value>, name: &str, depth: usize) -> String {
    let inner = |schema: &Value| shown(root, schema, depth + 1);
    match name {
        "array" => match (schema.get("prefixItems").and_then(Value::as_array), schema.get("items"))
        {
            (Some(items), _) => format!("[{}]", joined(items.iter().map(inner), ", ")),
            (None, Some(items)) => format!("[{}…]", inner(items)),
            (None, None) => "array".to_owned(),
        },
        "object" => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
                let values = schema.get("additionalProperties").filter(|values| values.is_object());
                return values.map_or_else(
                    || "object".to_owned(),
                    |values| format!("{{KEY: {}}}", inner(values)),
                );
            };
            let required = schema.get("required").and_then(Value::as_array);
            let required: Vec<_> =
                required.into_iter().flatten().filter_map(Value::as_str).collect();
            let shown = properties.iter().map(|(name, schema)| {
                let mark = if required.contains(&name.as_str()) { "" } else { "?" };
                format!("{name}{mark}: {}", inner(schema))
            });
            format!("{{{}}}", joined(shown, ", "))
        }
        name => name.to_owned(),
    }
}

/// Resolves a reference within the same document.
fn resolved<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    let pointer = percent_decode_str(reference.strip_prefix('#')?).decode_utf8().ok()?;
    root.pointer(&pointer)
}

fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    let mut parts = parts.take(PARTS_MAX + 1).collect::<Vec<_>>();
    if let Some(last) = parts.get_mut(PARTS_MAX) {
        "…".clone_into(last);
    }
    parts.join(between)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_are_shown_in_short() {
        for (schema, expected) in [
            (json!({"type": "null"}), "null"),
            (json!({"type": "integer", "minimum": 0, "format": "uint64"}), "integer"),
            (json!({"type": ["string", "null"]}), "string|null"),
            (json!({"type": "array", "items": {"type": "string"}}), "[string…]"),
            (json!({"type": "array", "prefixItems": [{"type": "string"}, true]}), "[string, any]"),
            (json!({"enum": ["red", 7, null]}), "\"red\"|7|null"),
            (json!({"const": "blue"}), "\"blue\""),
            (
                json!({"type": "object", "additionalProperties": {"type": "number"}}),
                "{KEY: number}",
            ),
            (json!({"type": "object", "additionalProperties": false}), "object"),
            (
                json!({
                    "type": "object",
                    "properties": {"at": {"type": "integer"}, "todo": {"$ref": "#/$defs/a%20b"}},
                    "required": ["todo"],
                    "$defs": {"a b": {"anyOf": [{"type": "boolean"}, {"type": "null"}]}},
                }),
                "{at?: integer, todo: boolean|null}",
            ),
            (json!(true), "any"),
            (json!({}), "any"),
            (json!(false), "never"),
            (json!({"$ref": "https://example.org/schema"}), "any"),
        ] {
            assert_eq!(short(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn a_schema_is_shown_in_bounded_length() {
        let itself = json!({"type": "array", "items": {"$ref": "#"}});
        assert_eq!(short(&itself), "[[[……]…]…]");
        let many: Vec<_> = (0..10_000).collect();
        assert_eq!(short(&json!({"enum": many})), "0|1|2|3|4|5|6|7|8|9|10|11|…");
        let long = short(&json!({"const": "x".repeat(1000)}));
        assert_eq!(long.chars().count(), CHARS_MAX + 1);
    }
}
