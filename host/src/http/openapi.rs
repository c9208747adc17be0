//! `GET /v1/openapi.json`: how the objects of the live types are called, for tools that make clients of it.
//!
//! Pure: what the types say of themselves goes in, a document of OpenAPI 3.1 comes out. Its schemas are those of the
//! types, which are JSON Schemas as OpenAPI 3.1 has them; only their definitions are moved to where it wants them.

mod schemas;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::engine::{Description, Handler, HandlerKind};
use schemas::Schemas;

const KEY: &str = "#/components/parameters/key";
const TIMEOUT: &str = "#/components/parameters/timeout";
const IDEMPOTENCY_KEY: &str = "#/components/parameters/idempotencyKey";
const IF_MATCH: &str = "#/components/parameters/ifMatch";
const IF_ABSENT: &str = "#/components/parameters/ifAbsent";
const CONSISTENCY: &str = "#/components/parameters/consistency";
/// What a query may be told, and what a change may be.
const OF_QUERIES: [&str; 3] = [KEY, TIMEOUT, CONSISTENCY];
const OF_CHANGES: [&str; 5] = [KEY, TIMEOUT, IDEMPOTENCY_KEY, IF_MATCH, IF_ABSENT];
const LAST_EVENT_ID: &str = "#/components/parameters/lastEventId";
const PROBLEM: &str = "#/components/responses/Problem";

/// The document for these types.
pub(super) fn document<'a>(types: impl Iterator<Item = &'a Description>) -> Value {
    let mut schemas = Schemas::default();
    let (mut paths, mut tags) = (Map::new(), Vec::new());
    for description in types {
        let name = description.name.as_str();
        tags.push(json!({ "name": name, "description": description.documentation }));
        paths.insert(format!("/v1/objects/{name}"), json!({ "get": list(name) }));
        paths.insert(format!("/v1/objects/{name}/{{key}}"), whole(description, &mut schemas));
        paths.insert(format!("/v1/objects/{name}/{{key}}/events"), json!({ "get": events(name) }));
        for handler in description.handlers.iter().filter(|handler| !is_whole(handler)) {
            let path = format!("/v1/objects/{name}/{{key}}/{}", handler.name);
            paths.insert(path, json!({ "post": call(name, handler, &mut schemas) }));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Objects",
            "description": "The objects of the types that are deployed, and what they may be asked.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "tags": tags,
        "paths": paths,
        "security": [{}, { "token": [] }],
        "components": {
            "schemas": schemas.into_map(),
            "parameters": parameters(),
            "responses": { "Problem": problem() },
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// Handlers that the state itself stands for in paths.
fn is_whole(handler: &Handler) -> bool {
    matches!(handler.name.as_str(), "get" | "put")
}

fn list(type_name: &str) -> Value {
    let query = |name: &str, schema: Value, what: &str| {
        let place = json!("query");
        json!({ "name": name, "in": place, "schema": schema, "description": what })
    };
    json!({
        "operationId": format!("{type_name}.list"),
        "tags": [type_name],
        "summary": format!("The keys of the {type_name} objects, page by page"),
        "parameters": [
            query("prefix", json!({ "type": "string" }), "Only keys that begin with this."),
            query("after", json!({ "type": "string" }), "Only keys after this one: next of the page before."),
            query(
                "limit",
                json!({ "type": "integer", "minimum": 1, "maximum": 1000 }),
                "So many keys at most.",
            ),
            query("active", json!({ "type": "boolean" }), "Only objects that are active on some node."),
        ],
        "responses": answers(&json!({
            "type": "object",
            "properties": {
                "type": { "type": "string" },
                "keys": { "type": "array", "items": { "type": "string" } },
                "next": { "type": ["string", "null"] },
                "unanswered": {
                    "type": "array",
                    "items": { "type": "string" },
                    "description": "With active: the nodes whose objects may be missing.",
                },
            },
            "required": ["type", "keys", "next"],
        })),
    })
}

/// The operations on an object's state as a whole.
fn whole(description: &Description, schemas: &mut Schemas) -> Value {
    let name = description.name.as_str();
    let mut operations = Map::new();
    if let Some(get) = description.handler("get") {
        let mut operation = call(name, get, schemas);
        // A state is read with nothing but its key.
        operation.as_object_mut().map(|operation| operation.remove("requestBody"));
        operations.insert("get".to_owned(), operation);
    }
    if let Some(put) = description.handler("put") {
        operations.insert("put".to_owned(), call(name, put, schemas));
    }
    let delete = json!({
        "operationId": format!("{name}.delete"),
        "tags": [name],
        "summary": "Deletes the object",
        "parameters": references(&[KEY, TIMEOUT, IDEMPOTENCY_KEY, IF_MATCH]),
        "responses": answers(&json!({ "type": "null" })),
    });
    operations.insert("delete".to_owned(), delete);
    Value::Object(operations)
}

/// Watching an object.
fn events(type_name: &str) -> Value {
    json!({
        "operationId": format!("{type_name}.events"),
        "tags": [type_name],
        "summary": "What happens to the object, as it happens",
        "parameters": references(&[KEY, LAST_EVENT_ID]),
        "responses": {
            "200": {
                "description": "Server-sent events without an end.",
                "content": { "text/event-stream": { "schema": { "type": "string" } } },
            },
            "default": { "$ref": PROBLEM },
        },
    })
}

/// One handler as an operation.
fn call(type_name: &str, handler: &Handler, schemas: &mut Schemas) -> Value {
    let operation = format!("{type_name}.{}", handler.name);
    let argument = schemas.take(type_name, &format!("{operation}.argument"), &handler.argument);
    let reply = schemas.take(type_name, &format!("{operation}.reply"), &handler.reply);
    let named: &[&str] = match handler.kind {
        HandlerKind::Query => &OF_QUERIES,
        HandlerKind::Update => &OF_CHANGES,
    };
    let mut document = Map::new();
    let mut say = |name: &str, value: Value| drop(document.insert(name.to_owned(), value));
    say("operationId", json!(operation));
    say("tags", json!([type_name]));
    say("parameters", references(named));
    say("responses", answers(&reply));
    if !handler.documentation.is_empty() {
        say("description", json!(handler.documentation));
    }
    // Nothing at all stands for null.
    if argument.get("type") != Some(&json!("null")) {
        let is_required = is_never_null(&argument);
        let content = json!({ "application/json": { "schema": argument } });
        say("requestBody", json!({ "content": content, "required": is_required }));
    }
    Value::Object(document)
}

/// Whether a schema says of its types that null is none of them.
fn is_never_null(schema: &Value) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only != "null",
        Some(Value::Array(types)) => !types.contains(&json!("null")),
        _ => false,
    }
}

fn references(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "$ref": name })).collect()
}

fn answers(schema: &Value) -> Value {
    let version = json!({
        "description": "The version of the object that the answer saw.",
        "schema": { "type": "string" },
    });
    json!({
        "200": {
            "description": "The reply.",
            "headers": { "ETag": version },
            "content": { "application/json": { "schema": schema } },
        },
        "default": { "$ref": PROBLEM },
    })
}

fn parameters() -> Value {
    let header = |name: &str, what: &str| {
        let schema = json!({ "type": "string" });
        json!({ "name": name, "in": "header", "schema": schema, "description": what })
    };
    json!({
        "key": {
            "name": "key",
            "in": "path",
            "required": true,
            "schema": { "type": "string", "minLength": 1, "maxLength": 256 },
            "description": "The object's key.",
        },
        "timeout": header("Highlander-Timeout", "How long the call may take, like 5s."),
        "idempotencyKey": header(
            "Idempotency-Key",
            "1 to 128 visible characters: the same call with the same key is done once.",
        ),
        "lastEventId": header("Last-Event-ID", "What was seen last: what came after it comes first."),
        "ifMatch": header("If-Match", "Only if the object is at this version, in quotes."),
        "ifAbsent": {
            "name": "If-None-Match",
            "in": "header",
            "schema": { "const": "*" },
            "description": "Only if the object was never changed, or is deleted.",
        },
        "consistency": {
            "name": "Highlander-Consistency",
            "in": "header",
            "schema": { "const": "strict" },
            "description": "The answer is compared with the store.",
        },
    })
}

fn problem() -> Value {
    let schema = json!({
        "type": "object",
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "code": { "type": "string" },
            "effect": { "enum": ["none", "applied", "unknown"] },
            "retryable": { "type": "boolean" },
            "hint": { "type": "string" },
            "rejection": {
                "type": "object",
                "properties": {
                    "code": { "type": "string" },
                    "message": { "type": "string" },
                    "detail": {},
                },
                "required": ["code", "message"],
            },
        },
        "required": ["type", "title", "status", "detail", "code", "effect", "retryable"],
    });
    json!({
        "description": "Why there is no reply, and whether anything was changed.",
        "content": { "application/problem+json": { "schema": schema } },
    })
}
