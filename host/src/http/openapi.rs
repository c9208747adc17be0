//! `GET /v1/openapi.json`: describes how to call the objects of the live types, for tools that generate clients.
//!
//! Pure: builds an OpenAPI 3.1 document from the types' descriptions. The types' schemas are JSON Schemas, which
//! OpenAPI 3.1 uses as well; only their definitions move to the place that OpenAPI requires. [`admin`] is the document
//! for all other routes.

pub(super) mod admin;
mod names;
mod parameters;
mod schemas;
#[cfg(test)]
mod tests;

use highlander_core::engine::{Description, Handler, HandlerKind};
use serde_json::{Map, Value, json};

use crate::wire::objects::List;
use crate::wire::problem::CONTENT;
use names::Names;
use parameters::{CONSISTENCY, IDEMPOTENCY_KEY, IF_ABSENT, IF_MATCH, IF_NONE_MATCH, KEY, TIMEOUT};
use schemas::{Schemas, WireSchemas};

/// Parameters of queries by `POST`, of queries by `GET`, and of changes.
const OF_QUERIES: [&str; 4] = [KEY, TIMEOUT, CONSISTENCY, IF_MATCH];
const OF_READS: [&str; 5] = [KEY, TIMEOUT, CONSISTENCY, IF_MATCH, IF_NONE_MATCH];
const OF_CHANGES: [&str; 5] = [KEY, TIMEOUT, IDEMPOTENCY_KEY, IF_MATCH, IF_ABSENT];
const PROBLEM: &str = "#/components/responses/Problem";
/// Statuses of problems that a valid request may get.
const OF_QUERY_PROBLEMS: [&str; 3] = ["412", "413", "422"];
const OF_READ_PROBLEMS: [&str; 3] = ["412", "422", "431"];
const OF_CHANGE_PROBLEMS: [&str; 4] = ["410", "412", "413", "422"];
const OF_DELETE_PROBLEMS: [&str; 4] = ["404", "410", "412", "422"];

/// Returns the document for these types.
pub(super) fn document<'a>(types: impl Iterator<Item = &'a Description>) -> Value {
    let (mut schemas, mut names) = (Schemas::default(), Names::default());
    let mut wire = WireSchemas::new();
    let keys = wire.take::<List>();
    let (mut paths, mut tags) = (Map::new(), Vec::new());
    for description in types {
        let name = description.name.as_str();
        tags.push(json!({ "name": name, "description": description.documentation }));
        let object = format!("/v1/objects/{name}/{{key}}");
        // Handlers come first, so that they get their own names even if an operation of the host has the same name.
        for handler in description.handlers.iter().filter(|handler| !is_whole(handler)) {
            let path = format!("{object}/{}", handler.name);
            paths.insert(path, handler_item(name, handler, &mut schemas, &mut names));
        }
        paths
            .insert(format!("/v1/objects/{name}"), json!({ "get": list(name, &keys, &mut names) }));
        paths.insert(object.clone(), whole(description, &mut schemas, &mut names));
        paths.insert(format!("{object}/events"), events());
    }
    let mut schemas = schemas.into_map();
    let problem = wire.problem();
    // They do not collide with a type's schemas, because those have a dot in their names.
    schemas.extend(wire.into_map());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Objects",
            "description": "The objects of the deployed types, and their handlers.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "tags": tags,
        "paths": paths,
        "security": [{}, { "token": [] }],
        "components": {
            "schemas": schemas,
            "parameters": parameters::shared(),
            "responses": problems(&problem),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// Whether the handler is called on the object's path, as a method on the whole state.
fn is_whole(handler: &Handler) -> bool {
    matches!(handler.name.as_str(), "get" | "put")
}

fn list(type_name: &str, keys: &Value, names: &mut Names) -> Value {
    json!({
        "operationId": names.take(format!("{type_name}.list_objects")),
        "tags": [type_name],
        "summary": format!("Lists the keys of the {type_name} objects in pages"),
        "parameters": parameters::of_list(),
        "responses": of_document(keys),
    })
}

/// Returns the operations on an object's whole state.
fn whole(description: &Description, schemas: &mut Schemas, names: &mut Names) -> Value {
    let name = description.name.as_str();
    let mut operations = Map::new();
    if let Some(get) = description.handler("get") {
        // A state is read by key alone, without an argument.
        let (_, reply) = types_of(name, get, schemas);
        let id = names.take(format!("{name}.get"));
        operations.insert("get".to_owned(), read(name, get, &id, None, &reply));
    }
    if let Some(put) = description.handler("put") {
        let (argument, reply) = types_of(name, put, schemas);
        let id = names.take(format!("{name}.put"));
        operations.insert("put".to_owned(), call(name, put, &id, &argument, &reply));
    }
    let delete = json!({
        "operationId": names.take(format!("{name}.delete_object")),
        "tags": [name],
        "summary": "Deletes the object",
        "parameters": references(&[KEY, TIMEOUT, IDEMPOTENCY_KEY, IF_MATCH]),
        "responses": answers(&json!({ "type": "null" }), &OF_DELETE_PROBLEMS),
    });
    operations.insert("delete".to_owned(), delete);
    Value::Object(operations)
}

/// Returns the path item for watching an object. It has no operations, because a stream never completes and
/// generated clients wait for a whole response.
fn events() -> Value {
    json!({
        "summary": "Streams the events of the object",
        "description": "GET returns an endless stream of server-sent events, which this document cannot describe.",
    })
}

/// Returns the path item of a handler.
fn handler_item(
    type_name: &str,
    handler: &Handler,
    schemas: &mut Schemas,
    names: &mut Names,
) -> Value {
    let (argument, reply) = types_of(type_name, handler, schemas);
    let id = names.take(format!("{type_name}.{}", handler.name));
    let mut item = Map::new();
    item.insert("post".to_owned(), call(type_name, handler, &id, &argument, &reply));
    // These names have another meaning as `GET` paths.
    let is_readable = !matches!(handler.name.as_str(), "messages" | "quarantine");
    if handler.kind == HandlerKind::Query && is_readable {
        let id = names.take(format!("{type_name}.{}.read", handler.name));
        item.insert("get".to_owned(), read(type_name, handler, &id, Some(&argument), &reply));
    }
    Value::Object(item)
}

/// Returns the schemas of a handler's argument and reply.
fn types_of(type_name: &str, handler: &Handler, schemas: &mut Schemas) -> (Value, Value) {
    let own = |part: &str| format!("{type_name}.{}.{part}", handler.name);
    let argument = schemas.take(type_name, &own("argument"), &handler.argument);
    (argument, schemas.take(type_name, &own("reply"), &handler.reply))
}

/// Returns the operation that calls a handler by `POST` or `PUT`.
fn call(type_name: &str, handler: &Handler, id: &str, argument: &Value, reply: &Value) -> Value {
    let (named, problems): (&[&str], &[&str]) = match handler.kind {
        HandlerKind::Query => (&OF_QUERIES, &OF_QUERY_PROBLEMS),
        HandlerKind::Update => (&OF_CHANGES, &OF_CHANGE_PROBLEMS),
    };
    let mut document = operation(type_name, handler, id);
    document.insert("parameters".to_owned(), references(named));
    document.insert("responses".to_owned(), answers(reply, problems));
    // A missing body means `null`. The schema does not list `null`: clients of openapi-python-client could no longer
    // leave such a body out.
    if takes_something(argument) {
        let content = json!({ "application/json": { "schema": argument } });
        let body = json!({ "content": content, "required": is_required(handler, argument) });
        document.insert("requestBody".to_owned(), body);
    }
    Value::Object(document)
}

/// Returns the operation that calls a handler by `GET`.
fn read(
    type_name: &str,
    handler: &Handler,
    id: &str,
    argument: Option<&Value>,
    reply: &Value,
) -> Value {
    let mut document = operation(type_name, handler, id);
    let mut parameters = references(&OF_READS);
    if let Some(argument) = argument.filter(|argument| takes_something(argument))
        && let Some(parameters) = parameters.as_array_mut()
    {
        parameters.push(parameters::argument(argument, is_required(handler, argument)));
    }
    document.insert("parameters".to_owned(), parameters);
    let mut responses = answers(reply, &OF_READ_PROBLEMS);
    if let Some(responses) = responses.as_object_mut() {
        let known = json!({ "description": "The client already has the response." });
        responses.insert("304".to_owned(), known);
    }
    document.insert("responses".to_owned(), responses);
    Value::Object(document)
}

fn operation(type_name: &str, handler: &Handler, id: &str) -> Map<String, Value> {
    let mut document = Map::new();
    document.insert("operationId".to_owned(), json!(id));
    document.insert("tags".to_owned(), json!([type_name]));
    if !handler.documentation.is_empty() {
        document.insert("description".to_owned(), json!(handler.documentation));
    }
    document
}

fn takes_something(argument: &Value) -> bool {
    argument.get("type") != Some(&json!("null"))
}

/// Whether calls of a handler must have an argument.
fn is_required(handler: &Handler, argument: &Value) -> bool {
    handler.no_argument() == b"null" && is_never_null(argument)
}

/// Whether the schema's `type` excludes null.
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

/// Returns the responses of a call: the reply, these problems, and the default.
fn answers(schema: &Value, problems: &[&str]) -> Value {
    let mut answers = of_document(schema);
    if let Some(reply) = answers.pointer_mut("/200").and_then(Value::as_object_mut) {
        reply.insert("headers".to_owned(), answer_headers());
    }
    if let Some(answers) = answers.as_object_mut() {
        let referred =
            |status: &&str| ((*status).to_owned(), json!({ "$ref": format!("{PROBLEM}{status}") }));
        answers.extend(problems.iter().map(referred));
    }
    answers
}

/// Returns the headers of the response to a call.
fn answer_headers() -> Value {
    let text = |what: &str| json!({ "description": what, "schema": { "type": "string" } });
    json!({
        "ETag": text("Entity tag of the response: its version, its revision and, for GET, a hash of the reply."),
        "Highlander-Version": text("The version of the object that the call made or read."),
    })
}

/// Returns the responses of a request that is not a call to an object.
fn of_document(schema: &Value) -> Value {
    json!({
        "200": {
            "description": "The reply.",
            "content": { "application/json": { "schema": schema } },
        },
        "default": { "$ref": PROBLEM },
    })
}

/// Returns the problem responses: the default, and one for each status that valid requests may get.
fn problems(schema: &Value) -> Value {
    let named = [
        ("Problem", "The cause of the error, and whether the call took effect."),
        ("Problem404", "The object does not exist."),
        ("Problem410", "The call was executed before, but its reply is no longer stored."),
        ("Problem412", "The object does not meet the condition in If-Match or If-None-Match."),
        ("Problem413", "The argument or the resulting state is too large."),
        (
            "Problem422",
            "The object rejected the call, or the idempotency key was used for another call.",
        ),
        ("Problem431", "The URL or the head of the request is too large."),
    ];
    let content = json!({ CONTENT: { "schema": schema } });
    let problem = |(name, what): (&str, &str)| {
        (name.to_owned(), json!({ "description": what, "content": content }))
    };
    Value::Object(named.into_iter().map(problem).collect())
}
