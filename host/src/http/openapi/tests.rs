//! The document generated from the types' descriptions.

use highlander_core::id::TypeName;

use super::*;

fn handler(name: &str, kind: HandlerKind, argument: Value, reply: Value) -> Handler {
    Handler { name: name.to_owned(), kind, documentation: String::new(), argument, reply }
}

fn description(name: &str, handlers: Vec<Handler>) -> Description {
    Description {
        name: TypeName::new(name).unwrap(),
        documentation: String::new(),
        schema_version: 1,
        state_content_type: "application/json".to_owned(),
        state: json!(true),
        handlers,
        publish_state: false,
    }
}

fn null() -> Value {
    json!({ "type": "null" })
}

#[test]
fn every_handler_is_an_operation() {
    let state = json!({ "type": "object" });
    let todo = description(
        "todo",
        vec![
            handler("complete", HandlerKind::Update, null(), json!({ "type": "integer" })),
            handler("get", HandlerKind::Query, null(), state.clone()),
            handler("put", HandlerKind::Update, state.clone(), null()),
        ],
    );
    let document = document([&todo].into_iter());
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    let all = [
        "/v1/objects/todo",
        "/v1/objects/todo/{key}",
        "/v1/objects/todo/{key}/complete",
        "/v1/objects/todo/{key}/events",
    ];
    assert_eq!(paths, all);
    let object = &document["paths"][all[1]];
    let methods: Vec<_> = object.as_object().unwrap().keys().collect();
    assert_eq!(methods, ["delete", "get", "put"]);
    assert!(object["get"].get("requestBody").is_none());
    assert_eq!(object["put"]["requestBody"]["content"]["application/json"]["schema"], state);
    let complete = &document["paths"][all[2]]["post"];
    assert!(complete.get("requestBody").is_none());
    let schema = &complete["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(*schema, json!({ "type": "integer" }));
    let references = |operation: &Value| operation["parameters"].as_array().unwrap().len();
    assert_eq!((references(complete), references(&object["get"])), (5, 5));
    assert_eq!((references(&object["put"]), references(&object["delete"])), (5, 4));
}

/// Returns the ids of all operations in a document.
fn ids(document: &Value) -> Vec<String> {
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    operations.filter_map(|one| Some(one.get("operationId")?.as_str()?.to_owned())).collect()
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let handler = |name| handler(name, HandlerKind::Query, null(), null());
    let names =
        ["delete", "delete_object", "get", "list", "list-objects", "list_objects", "list_read"];
    let shelf = description("shelf", names.map(handler).into());
    let other = description("shelf-list", vec![handler("objects"), handler("a_b"), handler("a-b")]);
    let document = document([&shelf, &other].into_iter());
    let ids = ids(&document);
    let comparable: std::collections::BTreeSet<_> =
        ids.iter().map(|id| names::comparable(id)).collect();
    assert_eq!(comparable.len(), ids.len(), "{ids:?}");
    for name in ["shelf.list", "shelf.delete", "shelf.list-objects", "shelf.get"] {
        assert!(ids.iter().any(|id| id == name), "{name}: {ids:?}");
    }
}

#[test]
fn a_query_is_read_too_and_its_argument_is_a_parameter() {
    let schema = json!({ "type": "integer" });
    let optional = json!({ "type": "object", "properties": { "limit": schema } });
    let counter = description(
        "counter",
        vec![
            handler("add", HandlerKind::Update, schema.clone(), null()),
            handler("find", HandlerKind::Query, optional, null()),
            handler("messages", HandlerKind::Query, null(), null()),
            handler("over", HandlerKind::Query, schema, null()),
            handler("value", HandlerKind::Query, null(), null()),
        ],
    );
    let document = document([&counter].into_iter());
    let item = |name: &str| &document["paths"][format!("/v1/objects/counter/{{key}}/{name}")];
    for (name, is_read) in [("add", false), ("find", true), ("messages", false), ("value", true)] {
        assert_eq!(item(name).get("get").is_some(), is_read, "{name}");
        assert!(item(name).get("post").is_some(), "{name}");
    }
    let argument = |name: &str| item(name)["get"]["parameters"].as_array().unwrap().get(5);
    assert_eq!(argument("value"), None);
    assert_eq!(argument("over").unwrap()["required"], true);
    assert_eq!(argument("find").unwrap()["required"], false);
    assert_eq!(item("find")["post"]["requestBody"]["required"], false);
}

/// Valid requests may get these statuses, which tools would report as faults otherwise.
#[test]
fn problems_of_valid_requests_are_described() {
    let schema = json!({ "type": "integer" });
    let counter = description(
        "counter",
        vec![
            handler("add", HandlerKind::Update, schema.clone(), null()),
            handler("over", HandlerKind::Query, schema, null()),
        ],
    );
    let document = document([&counter].into_iter());
    let statuses = |path: &str, method: &str| {
        let operation = &document["paths"][format!("/v1/objects/counter{path}")][method];
        let answers = operation["responses"].as_object().unwrap();
        for (status, answer) in answers {
            let Some(reference) = answer["$ref"].as_str() else { continue };
            let problem = document.pointer(reference.trim_start_matches('#')).unwrap();
            assert!(problem["content"].get("application/problem+json").is_some(), "{status}");
        }
        answers.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(statuses("/{key}/add", "post"), "200 410 412 413 422 default");
    assert_eq!(statuses("/{key}/over", "post"), "200 412 413 422 default");
    assert_eq!(statuses("/{key}/over", "get"), "200 304 412 422 431 default");
    assert_eq!(statuses("/{key}", "delete"), "200 404 410 412 422 default");
    assert_eq!(statuses("", "get"), "200 default");
}

/// Tools generate arguments from types, and test values from patterns.
#[test]
fn every_header_has_a_type_and_a_pattern() {
    let shared = parameters::shared();
    for parameter in shared.as_object().unwrap().values() {
        let schema = &parameter["schema"];
        assert_eq!(schema["type"], "string", "{parameter}");
        let pattern = schema["pattern"].as_str().unwrap();
        assert!(pattern.starts_with('^') && pattern.ends_with('$'), "{pattern}");
    }
}

#[test]
fn whole_numbers_have_the_bounds_of_their_formats() {
    let argument = json!({
        "type": "object",
        "properties": {
            "a": { "type": "integer", "format": "uint64", "minimum": 1 },
            "b": { "type": ["integer", "null"], "format": "int32", "exclusiveMaximum": 7 },
            "c": { "const": { "format": "uint8" } },
        },
    });
    let counter =
        description("counter", vec![handler("add", HandlerKind::Update, argument, null())]);
    let document = document([&counter].into_iter());
    let body = &document["paths"]["/v1/objects/counter/{key}/add"]["post"]["requestBody"];
    let properties = &body["content"]["application/json"]["schema"]["properties"];
    assert_eq!(
        (&properties["a"]["minimum"], &properties["a"]["maximum"]),
        (&json!(1), &json!(u64::MAX))
    );
    assert_eq!(
        (&properties["b"]["minimum"], properties["b"].get("maximum")),
        (&json!(i32::MIN), None)
    );
    assert_eq!(properties["c"]["const"], json!({ "format": "uint8" }));
}

/// A missing body means `null`, which not every argument may be.
#[test]
fn an_argument_that_cannot_be_null_is_required() {
    let arguments = [
        (json!({ "type": "integer" }), true),
        (json!({ "type": ["object", "array"] }), true),
        (json!({ "type": ["integer", "null"] }), false),
        (json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }), false),
        (json!(true), false),
    ];
    for (argument, is_required) in arguments {
        let handlers = vec![handler("add", HandlerKind::Update, argument.clone(), null())];
        let counter = description("counter", handlers);
        let document = document([&counter].into_iter());
        let body = &document["paths"]["/v1/objects/counter/{key}/add"]["post"]["requestBody"];
        assert_eq!(body["required"], is_required, "{argument}");
    }
}

#[test]
fn definitions_move_and_those_that_differ_keep_apart() {
    let paint = description(
        "paint",
        [("mix", ["red", "blue"]), ("look", ["red", "blue"]), ("blend", ["c", "m"])]
            .map(|(name, colors)| {
                let argument = json!({
                    "items": { "$ref": "#/$defs/Color~1b" },
                    "$defs": { "Color/b": { "enum": colors } },
                });
                handler(name, HandlerKind::Update, argument, null())
            })
            .into(),
    );
    let document = document([&paint].into_iter());
    let schema = |name: &str| {
        let path = format!("/v1/objects/paint/{{key}}/{name}");
        document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
            .clone()
    };
    let first = json!({ "items": { "$ref": "#/components/schemas/paint.Color_b" } });
    assert_eq!((schema("mix"), schema("look")), (first.clone(), first));
    let second = json!({ "items": { "$ref": "#/components/schemas/paint.Color_b-2" } });
    assert_eq!(schema("blend"), second);
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["paint.Color_b"], json!({ "enum": ["red", "blue"] }));
    assert_eq!(schemas["paint.Color_b-2"], json!({ "enum": ["c", "m"] }));
}

#[test]
fn a_schema_that_refers_to_itself_has_a_name() {
    let tree = json!({
        "properties": { "children": { "items": { "$ref": "#" } }, "kind": { "const": { "$ref": "#" } } },
    });
    let trees = description("tree", vec![handler("grow", HandlerKind::Update, tree, null())]);
    let document = document([&trees].into_iter());
    let named = "#/components/schemas/tree.grow.argument";
    let body = &document["paths"]["/v1/objects/tree/{key}/grow"]["post"]["requestBody"];
    assert_eq!(body["content"]["application/json"]["schema"], json!({ "$ref": named }));
    let schema = &document["components"]["schemas"]["tree.grow.argument"]["properties"];
    assert_eq!(schema["children"]["items"]["$ref"], named);
    assert_eq!(schema["kind"]["const"]["$ref"], "#", "a value is not a schema");
}
