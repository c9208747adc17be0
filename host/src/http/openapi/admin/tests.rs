//! The document and the routes agree, in both directions.

use std::collections::BTreeSet;

use http::Method;

use super::*;
use crate::http::route::Route;

/// Documentation of the routes for people.
const DOCUMENTATION: &str = include_str!("../../../../../docs/http.md");

impl Operation {
    /// Returns the operation of a route; `None` for routes that call a handler, stream events, or serve other nodes.
    /// `/v1/openapi.json` describes the first two kinds.
    fn of(route: &Route<'_>) -> Option<Self> {
        Some(match route {
            Route::Call { .. }
            | Route::Query { .. }
            | Route::Misfit { .. }
            | Route::Get(_)
            | Route::Put(_)
            | Route::Delete(_)
            | Route::Events(_)
            | Route::RehearsalShare(_) => return None,
            Route::Owner(_) => Self::Locate,
            Route::Deactivate(_) => Self::Deactivate,
            Route::Messages(_) => Self::ShowEffects,
            Route::RetryMessages(_) => Self::RetryMessages,
            Route::DropMessages(_) => Self::DropMessages,
            Route::RetryAlarms(_) => Self::RetryAlarms,
            Route::DropAlarms(_) => Self::DropAlarms,
            Route::Wake(_) => Self::FireAlarm,
            Route::Resume(_) => Self::LiftQuarantine,
            Route::List(_) => Self::ListObjects,
            Route::Deploy => Self::Deploy,
            Route::Types => Self::ListTypes,
            Route::Type(_) => Self::ShowType,
            Route::Rollout(_) => Self::ShowRollout,
            Route::Rehearse => Self::Rehearse,
            Route::Rehearsal(_) => Self::ShowRehearsal,
            Route::RemoveType(_) => Self::RemoveType,
            Route::Rollback(_) => Self::RollBack,
            Route::OpenApi => Self::DescribeObjects,
            Route::AdminOpenApi => Self::DescribeAdmin,
            Route::Nodes => Self::ListNodes,
            Route::Drain(_) => Self::Drain,
            Route::Root => Self::Describe,
            Route::Health => Self::Health,
            Route::Ready => Self::Ready,
            Route::Metrics => Self::Metrics,
            Route::Problem(_) => Self::ExplainProblem,
            Route::Web(_) => Self::ServeFile,
        })
    }
}

/// Returns each operation of the document with its path and its method.
fn described() -> Vec<(String, Method, Value)> {
    let paths = document()["paths"].as_object().unwrap();
    let mut all = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            all.push((path.clone(), method, operation.clone()));
        }
    }
    all
}

#[test]
fn every_operation_is_the_route_of_its_method_and_path() {
    let described = described();
    assert_eq!(described.len(), Operation::ALL.len(), "two operations share a method and a path");
    for operation in Operation::ALL {
        let (path, method) = (operation.example_path(), operation.method());
        let found = route::find(&method, &path).unwrap();
        assert_eq!(Operation::of(&found), Some(*operation), "{method} {path}");
        let is_described = described.iter().any(|(path, its, document)| {
            *path == operation.path() && *its == method && document["operationId"] == operation.id()
        });
        assert!(is_described, "{operation:?}");
    }
}

/// `Operation::of` maps every route, so a route without an operation in the document cannot be added unnoticed.
#[test]
fn every_method_of_a_path_is_described_and_no_other_one() {
    for operation in Operation::ALL {
        let path = operation.example_path();
        let all = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
        for method in all.map(|name| name.parse::<Method>().unwrap()) {
            let found = route::find(&method, &path).ok();
            let found = found.and_then(|route| Operation::of(&route));
            // Every path with `GET` accepts `HEAD`, so the document does not repeat it.
            let name = if method == Method::HEAD { Method::GET } else { method.clone() };
            let item = &document()["paths"][operation.path()];
            let described = item.get(name.as_str().to_lowercase()).map(|one| &one["operationId"]);
            let found = found.map(|operation| json!(operation.id()));
            assert_eq!(described, found.as_ref(), "{method} {path}");
        }
    }
}

#[test]
fn routes_of_calls_and_of_nodes_are_not_described() {
    for (method, path) in [
        (Method::POST, "/v1/types/{type}/rehearsal"),
        (Method::POST, "/v1/objects/{type}/{key}/increment"),
        (Method::GET, "/v1/objects/{type}/{key}/increment"),
        (Method::GET, "/v1/objects/{type}/{key}"),
        (Method::GET, "/v1/objects/{type}/{key}/events"),
    ] {
        assert!(!described().iter().any(|(its, of, _)| its == path && *of == method), "{path}");
        let path = path.replace(['{', '}'], "");
        let found = route::find(&method, &path).unwrap();
        assert_eq!(Operation::of(&found), None, "{method} {path}");
    }
}

/// Returns the parameters of an operation, with the references to shared ones resolved.
fn parameters(operation: &Value) -> Vec<Value> {
    let resolved = |parameter: &Value| match parameter["$ref"].as_str() {
        Some(reference) => document().pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => parameter.clone(),
    };
    operation["parameters"].as_array().unwrap().iter().map(resolved).collect()
}

#[test]
fn the_parameters_are_those_that_the_route_takes() {
    for operation in Operation::ALL {
        let path = operation.example_path();
        let route = route::find(&operation.method(), &path).unwrap();
        let method = operation.method().as_str().to_lowercase();
        let parameters = parameters(&document()["paths"][operation.path()][method]);
        let names = |place: &str| -> BTreeSet<_> {
            let of_place = parameters.iter().filter(|parameter| parameter["in"] == place);
            of_place.map(|parameter| parameter["name"].as_str().unwrap()).collect()
        };
        let in_path = operation.path().split(['{', '}']).skip(1).step_by(2).collect();
        assert_eq!(names("path"), in_path, "{operation:?}");
        let (taken, repeated) = match route.parameters() {
            Some(known) => (known.names, known.repeated),
            None => (&[][..], &[][..]),
        };
        assert_eq!(names("query"), taken.iter().copied().collect(), "{operation:?}");
        let lists = parameters.iter().filter(|parameter| parameter["schema"]["type"] == "array");
        let lists: Vec<_> = lists.map(|parameter| parameter["name"].as_str().unwrap()).collect();
        assert_eq!(lists, repeated, "{operation:?}");
        assert_eq!(names("header").contains("If-Match"), route.is_conditional(), "{operation:?}");
    }
}

#[test]
fn scopes_are_those_of_the_documentation() {
    let security = |operation: Operation| security(&scopes(operation)).to_string();
    let operate = r#"[{},{"token":["deploy:TYPE"]},{"token":["admin"]}]"#;
    for (operation, alternatives) in [
        (Operation::Health, "[]"),
        (Operation::ExplainProblem, "[]"),
        (Operation::Metrics, r#"[{},{"token":["admin"]},{"token":["metrics"]}]"#),
        (Operation::Drain, r#"[{},{"token":["admin"]}]"#),
        (Operation::Deploy, r#"[{},{"token":["deploy:TYPE"]}]"#),
        (Operation::ListObjects, r#"[{},{"token":["call:TYPE"]}]"#),
        (Operation::RetryAlarms, operate),
        (Operation::LiftQuarantine, operate),
    ] {
        assert_eq!(security(operation), alternatives, "{operation:?}");
    }
}

#[test]
fn every_operation_is_in_the_documentation() {
    for operation in Operation::ALL {
        let request = format!("| `{} {}", operation.method(), operation.path());
        let mut lines = DOCUMENTATION.lines();
        assert!(lines.any(|line| line.starts_with(&request)), "{request} is not in docs/http.md");
    }
}

#[test]
fn ids_are_unique_in_every_spelling_and_have_a_known_tag() {
    let ids: BTreeSet<_> =
        Operation::ALL.iter().map(|one| super::super::names::comparable(one.id())).collect();
    assert_eq!(ids.len(), Operation::ALL.len());
    for (_, _, operation) in described() {
        let tag = operation["tags"][0].as_str().unwrap();
        assert!(TAGS.iter().any(|(known, _)| *known == tag), "{tag}");
    }
    for (tag, _) in TAGS {
        let is_used = Operation::ALL.iter().any(|one| one.id().starts_with(&format!("{tag}.")));
        assert!(is_used, "{tag}");
    }
}

/// Calls `visit` with every value in the document, and its name.
fn visit_all(value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                visit(name, value);
                visit_all(value, visit);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visit_all(item, visit)),
        _ => {}
    }
}

#[test]
fn references_lead_somewhere_and_texts_are_for_readers_of_json() {
    let (mut references, mut texts) = (0, 0);
    visit_all(document(), &mut |name, value| match (name, value.as_str()) {
        ("$ref", Some(reference)) => {
            references += 1;
            assert!(document().pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        ("description", Some(text)) => {
            texts += 1;
            for rust in ["`None`", "](", "[`", "::"] {
                assert!(!text.contains(rust), "{text}");
            }
        }
        _ => {}
    });
    assert!(references > 100 && texts > 100, "{references} references, {texts} texts");
}

/// Names of Rust types are not names of documents.
#[test]
fn schemas_have_the_names_of_documents() {
    let schemas = document()["components"]["schemas"].as_object().unwrap();
    for name in ["Nodes", "ObjectEffects", "ObjectList", "Problem", "Progress", "Types"] {
        assert!(schemas.contains_key(name), "{name} is missing: {:?}", schemas.keys());
    }
    for name in schemas.keys() {
        assert!(!name.contains("_for_") && !name.ends_with(|c: char| c.is_ascii_digit()), "{name}");
    }
}
