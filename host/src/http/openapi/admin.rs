//! `GET /v1/openapi-admin.json`: describes all routes for clients that do not call handlers, as OpenAPI 3.1.
//!
//! The document is the same on every node of a build. The table in [`operations`] lists the routes; the schemas come
//! from the types that the node serializes, and the scopes from the rules that it checks.

mod operations;
mod parameters;
mod responses;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::schemas::WireSchemas;
use crate::http::{auth, route};
use operations::Operation;

/// Tags of the operations, with their descriptions.
const TAGS: [(&str, &str); 8] = [
    ("types", "Types, their revisions, and roll-outs."),
    ("rehearsals", "Dry runs of a component on the states of real objects."),
    ("objects", "Location, messages, alarms and quarantine of objects."),
    ("nodes", "The nodes of the cluster."),
    ("node", "The node that receives the request."),
    ("problems", "Explanations of error codes."),
    ("web", "Static files."),
    ("documents", "Descriptions of the API for tools."),
];

static DOCUMENT: LazyLock<Value> = LazyLock::new(built);

/// Returns the document.
pub(in crate::http) fn document() -> &'static Value {
    &DOCUMENT
}

fn built() -> Value {
    let mut schemas = WireSchemas::new();
    let mut paths = Map::new();
    for operation in Operation::ALL {
        let item = paths.entry(operation.path()).or_insert_with(|| json!({}));
        let method = operation.method().as_str().to_ascii_lowercase();
        if let Some(item) = item.as_object_mut() {
            item.insert(method, described(*operation, &mut schemas));
        }
    }
    let problem = schemas.problem();
    let tag = |(name, what)| json!({ "name": name, "description": what });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Administration",
            "description": "The routes of a node for operators and tools. Every path with GET also accepts HEAD. \
                            /v1/openapi.json describes the objects and their handlers.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "tags": TAGS.map(tag),
        "paths": paths,
        "components": {
            "schemas": schemas.into_map(),
            "parameters": parameters::shared(),
            "responses": responses::problems(&problem),
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "A token of auth.tokens_file. It needs one of the scopes that the operation lists, \
                                where TYPE stands for the type in the path, or for the type of the component. A node \
                                without auth.tokens_file accepts every request.",
            } },
        },
    })
}

fn described(operation: Operation, schemas: &mut WireSchemas) -> Value {
    let id = operation.id();
    let tag = id.split_once('.').map_or(id, |(tag, _)| tag);
    let scopes = scopes(operation);
    let mut document = json!({
        "operationId": id,
        "tags": [tag],
        "summary": operation.summary(),
        "parameters": parameters::of(operation),
        "responses": responses::of(operation, !scopes.is_empty(), schemas),
        "security": security(&scopes),
    });
    if let (Some(body), Some(document)) = (body(operation), document.as_object_mut()) {
        document.insert("requestBody".to_owned(), body);
    }
    document
}

/// Returns the scopes of which a caller needs one; none if the request needs no token.
fn scopes(operation: Operation) -> Vec<&'static str> {
    let path = operation.example_path();
    // A test finds the route of each operation.
    let found = route::find(&operation.method(), &path);
    auth::scopes(&found.expect("the path of an operation has a route"))
}

/// Returns the alternatives: no token, on a node without `auth.tokens_file`, or a token with one of the scopes.
fn security(scopes: &[&str]) -> Value {
    if scopes.is_empty() {
        return json!([]);
    }
    let with_scope = scopes.iter().map(|scope| json!({ "token": [scope] }));
    std::iter::once(json!({})).chain(with_scope).collect()
}

/// Returns the body that a request must have, if any.
fn body(operation: Operation) -> Option<Value> {
    matches!(operation, Operation::Deploy | Operation::Rehearse).then(|| {
        let schema = json!({ "type": "string", "format": "binary" });
        let content = json!({ "application/wasm": { "schema": schema } });
        json!({ "description": "The component.", "content": content, "required": true })
    })
}
