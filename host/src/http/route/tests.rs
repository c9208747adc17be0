//! Routes, and a corpus of spellings of keys in a path.

use super::*;

fn id(text: &str) -> ObjectId {
    text.parse().unwrap()
}

#[track_caller]
fn code(method: &Method, path: &str) -> ErrorCode {
    find(method, path).unwrap_err().code()
}

#[test]
fn every_route_is_found() {
    let call = Route::Call { id: id("todo/42"), handler: "complete".into() };
    let routes = [
        (Method::POST, "/v1/objects/todo/42/complete", call),
        (
            Method::GET,
            "/v1/objects/todo/42/complete",
            Route::Query { id: id("todo/42"), handler: "complete".into() },
        ),
        (
            Method::PUT,
            "/v1/objects/todo/42/complete",
            Route::Misfit { id: id("todo/42"), handler: Some("complete".into()) },
        ),
        (
            Method::GET,
            "/v1/objects/todo/42/quarantine",
            Route::Misfit { id: id("todo/42"), handler: Some("quarantine".into()) },
        ),
        (Method::PATCH, "/v1/objects/todo/42", Route::Misfit { id: id("todo/42"), handler: None }),
        (Method::GET, "/v1/objects/todo/42/messages", Route::Messages(id("todo/42"))),
        (Method::POST, "/v1/objects/todo/42/messages/retry", Route::RetryMessages(id("todo/42"))),
        (Method::POST, "/v1/objects/todo/42/alarms/due", Route::Wake(id("todo/42"))),
        (Method::GET, "/v1/objects/todo/42", Route::Get(id("todo/42"))),
        (Method::HEAD, "/v1/objects/todo/42", Route::Get(id("todo/42"))),
        (Method::PUT, "/v1/objects/todo/42", Route::Put(id("todo/42"))),
        (Method::DELETE, "/v1/objects/todo/42", Route::Delete(id("todo/42"))),
        (Method::GET, "/v1/objects/todo/42/owner", Route::Owner(id("todo/42"))),
        (Method::POST, "/v1/objects/todo/42/deactivate", Route::Deactivate(id("todo/42"))),
        (Method::POST, "/v1/objects/todo/42/alarms/retry", Route::RetryAlarms(id("todo/42"))),
        (Method::DELETE, "/v1/objects/todo/42/alarms", Route::DropAlarms(id("todo/42"))),
        (Method::GET, "/v1/objects/todo", Route::List(TypeName::new("todo").unwrap())),
        (Method::POST, "/v1/types", Route::Deploy),
        (Method::GET, "/v1/types", Route::Types),
        (Method::GET, "/v1/openapi.json", Route::OpenApi),
        (Method::GET, "/v1/openapi-admin.json", Route::AdminOpenApi),
        (Method::GET, "/v1/types/todo", Route::Type(TypeName::new("todo").unwrap())),
        (Method::DELETE, "/v1/types/todo", Route::RemoveType(TypeName::new("todo").unwrap())),
        (Method::GET, "/v1/nodes", Route::Nodes),
        (Method::GET, "/", Route::Root),
        (Method::GET, "/healthz", Route::Health),
        (Method::GET, "/readyz", Route::Ready),
        (Method::GET, "/metrics", Route::Metrics),
        (Method::GET, "/problems/draining", Route::Problem("draining".into())),
        (Method::GET, "/web/", Route::Web("")),
        (Method::HEAD, "/web/app.js", Route::Web("app.js")),
    ];
    for (method, path, route) in routes {
        assert_eq!(find(&method, path).unwrap(), route, "{method} {path}");
    }
}

#[test]
fn keys_are_decoded_exactly_once() {
    let spellings = [
        ("a%2Fb", "a/b"),
        ("a%2fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("a%25252Fb", "a%252Fb"),
        ("%2E%2E", ".."),
        ("..", ".."),
        ("%2E%2E%2Fetc", "../etc"),
        ("a+b", "a+b"),
        ("a%20b", "a b"),
        ("%C3%A4", "ä"),
        ("a%3Fb%23c", "a?b#c"),
        ("a;b=c", "a;b=c"),
        ("%25", "%"),
    ];
    for (spelling, key) in spellings {
        let path = format!("/v1/objects/todo/{spelling}");
        let expected = Route::Get(ObjectId::new("todo", key).unwrap());
        assert_eq!(find(&Method::GET, &path).unwrap(), expected, "{spelling}");
    }
}

#[test]
fn what_names_no_object_is_refused() {
    let too_long = "k".repeat(257);
    for key in [
        "",
        "%00",
        "%0A",
        "%7F",
        "%C2%85",
        "%FF",
        "%C3",
        "%ED%A0%80",
        "a%",
        "a%2",
        "a%zz",
        &too_long,
    ] {
        let path = format!("/v1/objects/todo/{key}");
        assert_eq!(code(&Method::GET, &path), ErrorCode::InvalidObjectId, "{key:?}");
    }
    for type_name in ["Todo", "1", "a_b", "%2e%2e", "todo%2F42", ""] {
        for path in [format!("/v1/objects/{type_name}/42"), format!("/v1/objects/{type_name}")] {
            assert_eq!(code(&Method::GET, &path), ErrorCode::InvalidObjectId, "{path}");
        }
    }
    for type_name in ["Todo", "a%2Fb", "%2e%2e%2Fx", "%20"] {
        let path = format!("/v1/types/{type_name}");
        for method in [Method::GET, Method::HEAD, Method::DELETE] {
            assert_eq!(code(&method, &path), ErrorCode::InvalidObjectId, "{method} {path}");
        }
    }
}

#[test]
fn other_paths_are_unknown() {
    for path in [
        "/v1",
        "/v2/objects/todo/42",
        "/v1/objects",
        "/v1/types/",
        "/v1/types/a/b",
        "/v1/objects/todo/42/",
        "/v1/objects/todo/a/b/c",
        "/favicon.ico",
        "*",
        "",
    ] {
        assert_eq!(code(&Method::GET, path), ErrorCode::UnknownRoute, "{path}");
    }
}

#[test]
fn other_methods_are_refused_with_those_that_are_allowed() {
    for (method, path, allowed) in [
        (Method::GET, "/v1/objects/todo/42/messages/retry", "POST"),
        (Method::DELETE, "/v1/objects/todo/42/alarms/due", "POST"),
        (Method::POST, "/v1/objects/todo/42/owner", "GET, HEAD"),
        (Method::GET, "/v1/objects/todo/42/deactivate", "POST"),
        (Method::DELETE, "/v1/types", "GET, HEAD, POST"),
        (Method::POST, "/healthz", "GET, HEAD"),
    ] {
        let problem = find(&method, path).unwrap_err();
        assert_eq!((problem.code(), problem.allow()), (ErrorCode::MethodNotAllowed, Some(allowed)));
    }
}

/// A new route with parameters must declare them in `Route::parameters`.
#[test]
fn a_route_knows_its_parameters() {
    let names = |method: Method, path: &str| {
        let route = find(&method, path).unwrap();
        route.parameters().map(|known| known.names.join(","))
    };
    let table = [
        (Method::GET, "/v1/objects/todo", Some("prefix,after,limit,active")),
        (Method::GET, "/v1/objects/todo/1/events", Some("last_event_id")),
        (Method::GET, "/v1/objects/todo/1/value", Some("argument")),
        (Method::POST, "/v1/objects/todo/1/value", Some("")),
        (Method::DELETE, "/v1/objects/todo/1/messages", Some("number")),
        (Method::GET, "/v1/objects/todo/1/messages", Some("")),
        (Method::DELETE, "/v1/objects/todo/1", Some("")),
        (Method::GET, "/v1/objects/todo/1", Some("")),
        (Method::POST, "/v1/types/todo/rollback", Some("to,wait")),
        (Method::GET, "/v1/types/todo/rollout", Some("live,until,generation")),
        (Method::GET, "/healthz", Some("")),
        (Method::GET, "/web/", None),
    ];
    for (method, path, expected) in table {
        assert_eq!(names(method, path).as_deref(), expected, "{path}");
    }
}

#[test]
fn reserved_handlers_cannot_be_called() {
    for handler in ["get", "put"] {
        let path = format!("/v1/objects/todo/42/{handler}");
        assert_eq!(code(&Method::POST, &path), ErrorCode::UnknownHandler, "{handler}");
    }
    assert_eq!(code(&Method::POST, "/v1/objects/todo/42/g%65t"), ErrorCode::UnknownHandler);
}
