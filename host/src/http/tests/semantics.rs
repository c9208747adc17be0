//! Requirements of HTTP on a server: repeated headers, hosts, validators, parameters, methods. The rules
//! themselves are tested in `head` and `conditions`; these tests check that they are applied.

use serde_json::json;

use super::*;

const OBJECT: &str = "/v1/objects/counter/a";

/// Returns the code of a problem in a raw response.
#[track_caller]
fn code(answer: &str) -> String {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let document: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer:?}"));
    document["code"].as_str().unwrap().to_owned()
}

impl Harness {
    async fn version(&self) -> String {
        self.get(OBJECT).await.header("highlander-version").unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_request_that_can_be_read_in_two_ways_is_not_executed() {
    let harness = Harness::start().await;
    assert_eq!(harness.post(&format!("{OBJECT}/increment"), "").await.status, 200);
    let head =
        format!("POST {OBJECT}/increment HTTP/1.1\r\nconnection: close\r\ncontent-length: 0\r\n");
    for lines in [
        "host: h\r\nif-match: \"1\"\r\nif-match: \"2\"\r\n",
        "host: h\r\nif-match: \"2\"\r\nIf-Match: \"1\"\r\n",
        "host: h\r\nidempotency-key: a\r\nidempotency-key: b\r\n",
        "host: h\r\nhighlander-timeout: 5s\r\nhighlander-timeout: 5s\r\n",
        "host: h\r\nauthorization: Bearer a\r\nauthorization: Bearer b\r\n",
        "host: h\r\nhost: h\r\n",
        "host: h\r\nhost: other\r\n",
        "host: \r\n",
        "host: a b\r\n",
        "",
    ] {
        let answer = harness.raw(format!("{head}{lines}\r\n").as_bytes()).await;
        assert_eq!(code(&answer), "malformed-request", "{lines:?}");
    }
    assert_eq!(harness.version().await, "1");
    // HTTP/1.0 has no Host.
    let old = format!("POST {OBJECT}/increment HTTP/1.0\r\ncontent-length: 0\r\n\r\n");
    assert!(harness.raw(old.as_bytes()).await.starts_with("HTTP/1.0 200"));
}

#[tokio::test]
async fn a_parameter_of_another_route_is_refused_and_nothing_is_done() {
    let harness = Harness::start().await;
    harness.post(&format!("{OBJECT}/increment"), "").await;
    for (method, path) in [
        (Method::DELETE, format!("{OBJECT}?number=7")),
        (Method::DELETE, format!("{OBJECT}/quarantine?number=7")),
        (Method::POST, format!("{OBJECT}/increment?number=7")),
        (Method::POST, format!("{OBJECT}/deactivate?number=7")),
        (Method::POST, format!("{OBJECT}/alarms/due?number=7")),
        (Method::GET, format!("{OBJECT}?number=7")),
        (Method::GET, format!("{OBJECT}/owner?number=7")),
        (Method::GET, "/v1/types?number=7".to_owned()),
        (Method::GET, "/v1/types/counter?number=7".to_owned()),
        (Method::GET, "/v1/openapi.json?number=7".to_owned()),
        (Method::GET, "/v1/nodes?number=7".to_owned()),
        (Method::GET, "/healthz?number=7".to_owned()),
        (Method::GET, "/?number=7".to_owned()),
    ] {
        let answer = harness.with_headers(method, &path, &[]).await;
        let problem = answer.is_problem(ErrorCode::MalformedRequest);
        assert!(problem["detail"].as_str().unwrap().contains("\"number\""), "{path}: {problem}");
    }
    assert_eq!(harness.version().await, "1");
}

#[tokio::test]
async fn a_client_is_spared_only_the_answer_that_it_has() {
    let harness = Harness::start().await;
    let read = async |tags: &str| {
        harness.with_headers(Method::GET, OBJECT, &[("if-none-match", tags)]).await
    };
    assert_eq!(read("*").await.status, 200, "the object does not exist yet");
    harness.post(&format!("{OBJECT}/increment"), "").await;
    let first = harness.get(OBJECT).await;
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    let tag = first.header("etag").unwrap();
    for tags in [tag.to_owned(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let answer = read(&tags).await;
        assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{tags}");
        assert_eq!(answer.header("etag"), Some(tag));
        let head = harness.with_headers(Method::HEAD, OBJECT, &[("if-none-match", &tags)]).await;
        assert_eq!(head.status, 304);
    }
    for tags in ["\"1\"", "W/\"1\"", "\"x\", \"y\""] {
        assert_eq!(read(tags).await.status, 200, "{tags}");
    }
    for garbage in ["1", "\"1", "*, \"1\"", "", "etag"] {
        read(garbage).await.is_problem(ErrorCode::MalformedRequest);
    }
    // The new revision has the same version, but the client does not have its response cached.
    assert_eq!(harness.post("/v1/types", "scripted:counter another").await.status, 201);
    let second = read(tag).await;
    assert_eq!((second.status, second.header("highlander-version")), (200, Some("1")));
    assert_eq!(second.header("highlander-revision"), Some("2"));
    // The precondition on the version still holds, with the tag of either revision and with the plain number.
    for holds in [tag, second.header("etag").unwrap(), "\"1\"", "\"0\", \"1-r9\"", "*"] {
        let answer = harness.with_headers(Method::GET, OBJECT, &[("if-match", holds)]).await;
        assert_eq!(answer.status, 200, "{holds}");
    }
    let both = [("if-match", "\"1\""), ("if-none-match", second.header("etag").unwrap())];
    assert_eq!(harness.with_headers(Method::GET, OBJECT, &both).await.status, 304);
    for fails in ["\"2\"", "W/\"1\"", "\"x\""] {
        let answer = harness.with_headers(Method::GET, OBJECT, &[("if-match", fails)]).await;
        answer.is_problem(ErrorCode::VersionMismatch);
    }
}

#[tokio::test]
async fn a_change_is_made_under_the_conditions_of_its_version() {
    let harness = Harness::start().await;
    let increment = format!("{OBJECT}/increment");
    let call = async |name: &str, value: &str| {
        harness.with_headers(Method::POST, &increment, &[(name, value)]).await
    };
    call("if-match", "*").await.is_problem(ErrorCode::VersionMismatch);
    assert_eq!(call("if-none-match", "*").await.header("etag"), Some("\"1-r1\""));
    for fails in ["W/\"1\"", "\"0\", \"2\"", "\"x\""] {
        call("if-match", fails).await.is_problem(ErrorCode::VersionMismatch);
    }
    assert_eq!(call("if-match", "\"1-r1\"").await.status, 200);
    assert_eq!(call("if-match", "\"1\", \"2\"").await.status, 200);
    assert_eq!(call("if-match", "*").await.status, 200);
    assert_eq!(harness.version().await, "4");
}

/// A client that sets a condition relies on it.
#[tokio::test]
async fn a_condition_that_a_request_would_not_be_held_to_is_refused() {
    let harness = Harness::start().await;
    harness.post(&format!("{OBJECT}/increment"), "").await;
    let owned = |path: &str| format!("{OBJECT}{path}");
    let changes = [
        (Method::POST, owned("/deactivate")),
        (Method::POST, "/v1/types/counter/rollback?to=1".to_owned()),
        (Method::DELETE, "/v1/types/counter".to_owned()),
        (Method::POST, "/v1/types".to_owned()),
        (Method::POST, "/v1/rehearsals".to_owned()),
        (Method::POST, "/v1/nodes/n/drain".to_owned()),
    ];
    for (method, path) in changes {
        for condition in [("if-match", "\"1\""), ("if-none-match", "*"), ("if-match", "1")] {
            let answer = harness.with_headers(method.clone(), &path, &[condition]).await;
            answer.is_problem(ErrorCode::MalformedRequest);
        }
    }
    assert!(
        harness.get(&owned("/owner")).await.json()["node"].is_string(),
        "the object is still active"
    );
    let reads = ["/owner", "/events"].map(owned).into_iter();
    let reads = reads.chain(["/v1/types", "/v1/objects/counter", "/healthz"].map(str::to_owned));
    for path in reads {
        for garbage in [("if-match", "\"1\""), ("if-match", "1"), ("if-none-match", "1")] {
            let answer = harness.with_headers(Method::GET, &path, &[garbage]).await;
            answer.is_problem(ErrorCode::MalformedRequest);
        }
        let known = [("if-none-match", "\"1\""), ("accept", "application/json")];
        assert_eq!(harness.with_headers(Method::GET, &path, &known).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_change_with_two_conditions_has_to_meet_both() {
    let harness = Harness::start().await;
    let increment = format!("{OBJECT}/increment");
    let call = async |if_match: &str| {
        let both = [("if-match", if_match), ("if-none-match", "*")];
        harness.with_headers(Method::POST, &increment, &both).await
    };
    call("\"1\"").await.is_problem(ErrorCode::VersionMismatch);
    call("*").await.is_problem(ErrorCode::VersionMismatch);
    assert_eq!(call("\"0\"").await.status, 200);
    call("\"1\"").await.is_problem(ErrorCode::VersionMismatch);
    assert_eq!(harness.with_headers(Method::DELETE, OBJECT, &[]).await.status, 200);
    call("\"1\"").await.is_problem(ErrorCode::VersionMismatch);
    assert_eq!(call("\"2\"").await.header("highlander-version"), Some("3"));
}

#[tokio::test]
async fn an_answer_without_a_tag_is_not_kept() {
    let harness = Harness::start().await;
    for path in ["/", "/healthz", "/readyz", "/metrics", "/problems/internal"]
        .map(str::to_owned)
        .into_iter()
        .chain(["/v1/nodes", "/v1/types/counter/rollout", "/v1/objects/counter"].map(str::to_owned))
        .chain(["/owner", "/messages"].map(|rest| format!("{OBJECT}{rest}")))
    {
        for method in [Method::GET, Method::HEAD] {
            let answer = harness.with_headers(method, &path, &[]).await;
            assert_eq!((answer.status, answer.header("etag")), (200, None), "{path}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_query_is_called_by_get_and_an_update_is_not() {
    let harness = Harness::start().await;
    harness.post(&format!("{OBJECT}/add"), "7").await;
    let read = async |rest: &str| harness.get(&format!("{OBJECT}/{rest}")).await;
    let value = read("value").await;
    assert_eq!((value.status, value.body.as_str()), (200, "7"));
    let tag = [("if-none-match", value.header("etag").unwrap())];
    let again = harness.with_headers(Method::GET, &format!("{OBJECT}/value"), &tag).await;
    assert_eq!(again.status, 304);
    let head = harness.with_headers(Method::HEAD, &format!("{OBJECT}/value"), &[]).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("1")));
    assert_eq!(read("value?argument=%7B%22any%22:1%7D").await.body, "7");
    read("value?argument=%7B").await.is_problem(ErrorCode::MalformedRequest);
    read("value?argument=1&argument=2").await.is_problem(ErrorCode::MalformedRequest);
    for update in ["increment", "add?argument=1", "trap"] {
        let answer = read(update).await;
        answer.is_problem(ErrorCode::MethodNotAllowed);
        assert_eq!(answer.header("allow"), Some("POST"), "{update}");
    }
    read("nothing").await.is_problem(ErrorCode::UnknownHandler);
    assert_eq!(harness.version().await, "1");
}

#[tokio::test]
async fn a_packed_body_is_refused() {
    let harness = Harness::start().await;
    for (path, coding) in [(format!("{OBJECT}/add"), "gzip"), ("/v1/types".to_owned(), "zstd")] {
        let answer =
            harness.with_headers(Method::POST, &path, &[("content-encoding", coding)]).await;
        answer.is_problem(ErrorCode::UnsupportedEncoding);
        assert_eq!(answer.header("accept-encoding"), Some("identity"));
    }
    let plain = harness.request(Method::POST, &format!("{OBJECT}/add")).body("1");
    assert_eq!(send(plain.header("content-encoding", "identity")).await.json(), json!(1));
}

#[tokio::test]
async fn a_header_that_cannot_be_read_is_refused_whatever_the_route() {
    let harness = Harness::start().await;
    harness.post(&format!("{OBJECT}/increment"), "").await;
    let owned = |method, path: &str| (method, format!("{OBJECT}{path}"));
    let other = |method, path: &str| (method, path.to_owned());
    let routes = [
        owned(Method::POST, "/deactivate"),
        owned(Method::POST, "/increment"),
        owned(Method::GET, "/owner"),
        owned(Method::GET, "/messages"),
        owned(Method::GET, "/events"),
        owned(Method::GET, ""),
        other(Method::GET, "/v1/objects/counter"),
        other(Method::DELETE, "/v1/types/counter?force=true"),
        other(Method::POST, "/v1/types/counter/rollback?to=1"),
        other(Method::POST, "/v1/types"),
        other(Method::POST, "/v1/rehearsals"),
        other(Method::GET, "/v1/types"),
        other(Method::GET, "/v1/types/counter/rollout"),
        other(Method::GET, "/v1/nodes"),
        other(Method::POST, &format!("/v1/nodes/{}/drain", harness.node.id().as_str())),
        other(Method::GET, "/healthz"),
    ];
    let bad = [
        ("highlander-timeout", "x"),
        ("highlander-consistency", "x"),
        ("idempotency-key", "a b"),
        ("highlander-hops", "x"),
        ("highlander-message", "x"),
        ("highlander-rank", "x"),
        ("highlander-chain", "x"),
        ("highlander-caller", "object x"),
        ("last-event-id", "x"),
    ];
    for (method, path) in &routes {
        for header in bad {
            let answer = harness.with_headers(method.clone(), path, &[header]).await;
            let problem = answer.json();
            assert_eq!(problem["code"], "malformed-request", "{method} {path} {header:?}");
            let detail = problem["detail"].as_str().unwrap().to_lowercase();
            assert!(detail.contains(header.0), "{method} {path}: {detail}");
        }
    }
    assert_eq!(harness.get("/readyz").await.status, 200, "the node was not drained");
    assert_eq!(harness.version().await, "1");
    let good = [
        ("highlander-timeout", "5s"),
        ("highlander-consistency", "strict"),
        ("idempotency-key", "k"),
        ("last-event-id", "7.2"),
    ];
    for path in [format!("{OBJECT}/owner"), "/v1/types".to_owned(), "/healthz".to_owned()] {
        assert_eq!(harness.with_headers(Method::GET, &path, &good).await.status, 200, "{path}");
    }
}
