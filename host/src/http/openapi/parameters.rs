//! Parameters shared by operations. Each has a type and a pattern, so that tools generate arguments for it and
//! values that the host accepts.

use serde_json::{Value, json};

/// Place of the parameters that operations reference.
pub(super) const PLACE: &str = "#/components/parameters/";
pub(super) const KEY: &str = "#/components/parameters/key";
pub(super) const TIMEOUT: &str = "#/components/parameters/timeout";
pub(super) const IDEMPOTENCY_KEY: &str = "#/components/parameters/idempotencyKey";
pub(super) const IF_MATCH: &str = "#/components/parameters/ifMatch";
pub(super) const IF_ABSENT: &str = "#/components/parameters/ifAbsent";
pub(super) const IF_NONE_MATCH: &str = "#/components/parameters/ifNoneMatch";
pub(super) const CONSISTENCY: &str = "#/components/parameters/consistency";

/// Pattern for a key of at most 256 bytes. A schema counts characters, so the pattern accepts 256 characters of
/// one byte each, or 64 of up to four bytes.
const KEY_PATTERN: &str = r"^([ -~]{1,256}|[^\x00-\x1f\x7f-\x9f]{1,64})$";
/// The same pattern, but also matches the empty string.
const PART_OF_KEY_PATTERN: &str = r"^([ -~]{0,256}|[^\x00-\x1f\x7f-\x9f]{0,64})$";
const TAGS_PATTERN: &str = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#;
const TIMEOUT_PATTERN: &str = "^([1-9][0-9]{2,4}ms|([1-9][0-9]?|[12][0-9]{2}|300)s|[1-5]m)$";

/// Returns the parameters that operations reference.
pub(super) fn shared() -> Value {
    json!({
        "key": {
            "name": "key",
            "in": "path",
            "required": true,
            "schema": { "type": "string", "pattern": KEY_PATTERN },
            "description": "The object's key: 1 to 256 bytes of UTF-8 without control characters.",
        },
        "timeout": header("Highlander-Timeout", TIMEOUT_PATTERN, "Maximum time for the call, like 5s or 500ms."),
        "idempotencyKey": header(
            "Idempotency-Key",
            "^[!-~]{1,128}$",
            "1 to 128 visible ASCII characters. Calls with the same key are executed once.",
        ),
        "ifMatch": condition(
            "If-Match",
            TAGS_PATTERN,
            "Executes the call only if the object is at this version: its ETag, or the number in quotes.",
        ),
        "ifNoneMatch": condition(
            "If-None-Match",
            TAGS_PATTERN,
            "ETags of responses that the client already has and that are not sent again.",
        ),
        "ifAbsent": condition(
            "If-None-Match",
            r"^\*$",
            "With *: executes the call only if the object was never changed, or is deleted.",
        ),
        "consistency": header(
            "Highlander-Consistency",
            "^strict$",
            "With strict: the result is verified against the store.",
        ),
    })
}

fn header(name: &str, pattern: &str, what: &str) -> Value {
    in_header(name, &json!({ "type": "string", "pattern": pattern }), what)
}

fn in_header(name: &str, schema: &Value, what: &str) -> Value {
    json!({ "name": name, "in": "header", "schema": schema, "description": what })
}

/// Returns a header parameter with entity tags. The format is a name under which a tool that generates values can be
/// configured: some tools generate headers from letters and digits only, and none of these match the pattern.
fn condition(name: &str, pattern: &str, what: &str) -> Value {
    let schema = json!({ "type": "string", "pattern": pattern, "format": "entity-tags" });
    in_header(name, &schema, what)
}

/// Returns the parameters for listing keys.
pub(super) fn of_list() -> Vec<Value> {
    let part_of_key = || json!({ "type": "string", "pattern": PART_OF_KEY_PATTERN });
    vec![
        query("prefix", part_of_key(), "Only keys that begin with this prefix."),
        query("after", part_of_key(), "Only keys after this one: next of the previous page."),
        query(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": 1000 }),
            "Maximum number of keys.",
        ),
        query("active", json!({ "type": "boolean" }), "Only objects that are active on a node."),
    ]
}

/// Returns an optional parameter in the query.
#[allow(clippy::needless_pass_by_value, reason = "callers write json!(…)")]
pub(super) fn query(name: &str, schema: Value, what: &str) -> Value {
    json!({ "name": name, "in": "query", "schema": schema, "description": what })
}

/// Returns the parameter for the argument of a query by `GET`.
pub(super) fn argument(schema: &Value, is_required: bool) -> Value {
    json!({
        "name": "argument",
        "in": "query",
        "required": is_required,
        "content": { "application/json": { "schema": schema } },
        "description": "The argument, as JSON.",
    })
}
