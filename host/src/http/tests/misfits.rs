//! Methods and handlers that an object does not support, which have priority over the headers of a call.

use super::*;

const OBJECT: &str = "/v1/objects/counter/a";

/// RFC 9110, 13.2.1: a condition counts only for a request that would be done without it.
#[tokio::test]
async fn what_a_type_does_not_take_is_refused_whatever_the_condition_and_the_key_say() {
    let harness = Harness::start().await;
    let increment = format!("{OBJECT}/increment");
    let key = ("idempotency-key", "k");
    assert_eq!(harness.with_headers(Method::POST, &increment, &[key]).await.body, "1");
    let conditions = [("if-match", "\"9\""), ("if-match", "*"), ("if-none-match", "*"), key];
    for header in conditions {
        let answer = harness.with_headers(Method::GET, &increment, &[header]).await;
        answer.is_problem(ErrorCode::MethodNotAllowed);
        assert_eq!(answer.header("allow"), Some("POST"), "{header:?}");
        let nothing = format!("{OBJECT}/nothing");
        for method in [Method::GET, Method::POST] {
            let answer = harness.with_headers(method, &nothing, &[header]).await;
            answer.is_problem(ErrorCode::UnknownHandler);
        }
    }
    // Methods that the type supports evaluate the conditions.
    for header in [("if-match", "\"9\""), ("if-none-match", "*")] {
        let answer = harness.with_headers(Method::POST, &increment, &[header]).await;
        answer.is_problem(ErrorCode::VersionMismatch);
    }
    let again = harness.with_headers(Method::POST, &increment, &[key]).await;
    assert_eq!((again.body.as_str(), again.header("idempotency-replayed")), ("1", Some("true")));
}

#[tokio::test]
async fn a_method_is_refused_with_those_that_the_type_takes() {
    let harness = Harness::start().await;
    for (method, path, allowed) in [
        (Method::PATCH, OBJECT.to_owned(), "GET, HEAD, PUT, DELETE"),
        (Method::PUT, format!("{OBJECT}/value"), "GET, HEAD, POST"),
        (Method::DELETE, format!("{OBJECT}/add"), "POST"),
        (Method::PUT, format!("{OBJECT}/messages"), "GET, HEAD, DELETE"),
        (Method::GET, format!("{OBJECT}/quarantine"), "DELETE"),
    ] {
        let answer = harness.with_headers(method, &path, &[]).await;
        answer.is_problem(ErrorCode::MethodNotAllowed);
        assert_eq!(answer.header("allow"), Some(allowed), "{path}");
    }
    let unknown = harness.with_headers(Method::PUT, &format!("{OBJECT}/nothing"), &[]).await;
    unknown.is_problem(ErrorCode::UnknownHandler);
    let unknown = harness.with_headers(Method::PATCH, "/v1/objects/nothing/a", &[]).await;
    unknown.is_problem(ErrorCode::UnknownType);
}

/// Without the header, these requests get the same error.
#[tokio::test]
async fn a_header_that_cannot_be_read_does_not_hide_an_unsupported_method_or_handler() {
    let harness = Harness::start().await;
    let bare =
        harness.node.deploy("scripted:bare without:put".into(), &DeployOptions::default()).await;
    bare.unwrap();
    let headers: [&[(&str, &str)]; 5] = [
        &[],
        &[("if-match", "x")],
        &[("if-none-match", "x")],
        &[("idempotency-key", "a b")],
        &[("if-match", "\"9\"")],
    ];
    for (method, path, allowed) in [
        (Method::POST, format!("{OBJECT}/nothing"), None),
        (Method::GET, format!("{OBJECT}/nothing"), None),
        (Method::PUT, format!("{OBJECT}/nothing"), None),
        (Method::GET, format!("{OBJECT}/increment"), Some("POST")),
        (Method::PUT, format!("{OBJECT}/add"), Some("POST")),
        (Method::POST, format!("{OBJECT}/messages"), Some("GET, HEAD, DELETE")),
        (Method::POST, format!("{OBJECT}/quarantine"), Some("DELETE")),
        (Method::GET, format!("{OBJECT}/alarms"), Some("DELETE")),
        (Method::PATCH, OBJECT.to_owned(), Some("GET, HEAD, PUT, DELETE")),
        (Method::PUT, "/v1/objects/bare/x".to_owned(), Some("GET, HEAD, DELETE")),
    ] {
        for headers in headers {
            let answer = harness.with_headers(method.clone(), &path, headers).await;
            let code = allowed.map_or(ErrorCode::UnknownHandler, |_| ErrorCode::MethodNotAllowed);
            assert_eq!(answer.json()["code"], code.as_str(), "{method} {path} {headers:?}");
            assert_eq!(answer.header("allow"), allowed, "{method} {path} {headers:?}");
        }
    }
    // A supported call is rejected for its header, and so is one with an invalid argument.
    for path in ["/increment", "/add"].map(|handler| format!("{OBJECT}{handler}")) {
        let answer = harness.with_headers(Method::POST, &path, &[("if-match", "x")]).await;
        answer.is_problem(ErrorCode::MalformedRequest);
    }
    harness.post(&format!("{OBJECT}/nothing"), "{").await.is_problem(ErrorCode::MalformedRequest);
}

#[tokio::test]
async fn what_an_object_supports_depends_on_the_revision_that_it_runs() {
    let harness = Harness::without_types(|_| {}).await;
    let current = "scripted:counter without:increment";
    assert_eq!(harness.post("/v1/types", current).await.status, 201);
    let canary = harness.post("/v1/types?canary_key=a", "scripted:counter").await;
    assert_eq!(canary.status, 201, "{}", canary.body);
    let increment = format!("{OBJECT}/increment");
    let call = async |method: Method, path: &str, header: (&str, &str)| {
        harness.with_headers(method, path, &[header]).await
    };
    let done = call(Method::POST, &increment, ("idempotency-key", "k")).await;
    assert_eq!((done.status, done.header("highlander-revision")), (200, Some("2")));
    let (fails, reused) = (("if-match", "\"9\""), ("idempotency-key", "read"));
    call(Method::POST, &increment, fails).await.is_problem(ErrorCode::VersionMismatch);
    let add = harness.request(Method::POST, &format!("{OBJECT}/add")).header(reused.0, reused.1);
    assert_eq!(send(add.body("1")).await.status, 200);
    call(Method::POST, &increment, reused).await.is_problem(ErrorCode::IdempotencyKeyReused);
    let read = call(Method::GET, &increment, fails).await;
    read.is_problem(ErrorCode::MethodNotAllowed);
    assert_eq!(read.header("allow"), Some("POST"));
    let nothing = format!("{OBJECT}/nothing");
    call(Method::POST, &nothing, fails).await.is_problem(ErrorCode::UnknownHandler);
    // An object that runs the current revision lacks the handler.
    let other = "/v1/objects/counter/b/increment";
    call(Method::POST, other, fails).await.is_problem(ErrorCode::UnknownHandler);
    // The node does not know what an inactive object runs, so any revision counts.
    assert_eq!(harness.post(&format!("{OBJECT}/deactivate"), "").await.status, 200);
    call(Method::POST, &increment, ("if-match", "x")).await.is_problem(ErrorCode::MalformedRequest);
    call(Method::POST, &nothing, ("if-match", "x")).await.is_problem(ErrorCode::UnknownHandler);
    call(Method::POST, &increment, fails).await.is_problem(ErrorCode::VersionMismatch);
}
