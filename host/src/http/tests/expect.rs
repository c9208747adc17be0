//! Clients that wait for `100 Continue`. Errors found in the head are sent immediately, and nothing else precedes
//! `100 Continue`.

use super::*;

/// Sends a head and returns the response. Sends the body only if the node requests it.
async fn asked(harness: &Harness, first_line: &str, headers: &str, body: &str) -> String {
    let mut stream = harness.connect().await;
    let head = format!("{first_line} HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).await.unwrap();
    if begun.ends_with(b"100") {
        stream.write_all(body.as_bytes()).await.unwrap();
    }
    String::from_utf8(begun.to_vec()).unwrap() + &rest(&mut stream).await
}

#[track_caller]
fn is_refused(answer: &str, code: ErrorCode) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {} ", code.status())), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{answer}");
}

#[tokio::test]
async fn what_the_head_decides_is_refused_before_the_body_is_asked_for() {
    let harness = Harness::with(|config| config.component_max = 1000).await;
    let (add, put) = ("POST /v1/objects/counter/a/add", "PUT /v1/objects/counter/a");
    let nameless = format!("POST /v1/objects/counter/a/{}", "h".repeat(1000));
    let one = "content-length: 1\r\n";
    let with = |headers: &str| format!("{one}{headers}\r\n");
    for (first_line, headers, code) in [
        ("POST /nowhere", one.to_owned(), ErrorCode::UnknownRoute),
        ("PATCH /v1/objects/counter/a", one.to_owned(), ErrorCode::MethodNotAllowed),
        ("POST /v1/objects/Counter/a/add", one.to_owned(), ErrorCode::InvalidObjectId),
        (add, "content-length: 1048577\r\n".to_owned(), ErrorCode::BodyTooLarge),
        (put, "content-length: 1048577\r\n".to_owned(), ErrorCode::BodyTooLarge),
        (add, with("content-type: text/plain"), ErrorCode::MalformedRequest),
        (add, with("if-match: 7"), ErrorCode::MalformedRequest),
        (put, with("highlander-timeout: 5"), ErrorCode::MalformedRequest),
        (put, with("highlander-consistency: eventual"), ErrorCode::MalformedRequest),
        (add, with("idempotency-key: two words"), ErrorCode::MalformedRequest),
        (add, with("highlander-hops: many"), ErrorCode::MalformedRequest),
        (add, with("origin: http://elsewhere.example"), ErrorCode::Forbidden),
        ("POST /v1/types", "content-length: 1001\r\n".to_owned(), ErrorCode::BodyTooLarge),
        ("POST /v1/types?canary=0", one.to_owned(), ErrorCode::MalformedRequest),
        ("POST /v1/types", with("content-type: text/html"), ErrorCode::MalformedRequest),
        ("POST /v1/rehearsals", with("content-type: text/html"), ErrorCode::MalformedRequest),
        ("POST /v1/rehearsals?sample=some", one.to_owned(), ErrorCode::MalformedRequest),
        ("POST /v1/rehearsals?wait=perhaps", one.to_owned(), ErrorCode::MalformedRequest),
        (&nameless, one.to_owned(), ErrorCode::UnknownHandler),
        ("POST /v1/types", with("if-match: \"7\""), ErrorCode::MalformedRequest),
        ("POST /v1/objects/nothing/a/add", one.to_owned(), ErrorCode::UnknownType),
        ("PUT /v1/objects/nothing/a", one.to_owned(), ErrorCode::UnknownType),
        (add, "transfer-encoding: gzip, chunked\r\n".to_owned(), ErrorCode::UnsupportedEncoding),
    ] {
        let answer = asked(&harness, first_line, &headers, "1").await;
        assert!(!answer.contains("100 Continue"), "{first_line} {headers:?}: {answer}");
        is_refused(&answer, code);
    }
    let untouched = harness.get("/v1/objects/counter/a").await;
    assert_eq!(untouched.header("highlander-version"), Some("0"));
}

#[tokio::test]
async fn who_may_not_send_it_is_refused_before_the_body_is_asked_for() {
    let harness = Harness::with_principals([("ada", "call:counter")]).await;
    for (headers, code) in [
        ("content-length: 1\r\n", ErrorCode::Unauthenticated),
        ("content-length: 1\r\nauthorization: Bearer eve\r\n", ErrorCode::Unauthenticated),
        ("content-length: 1\r\nauthorization: Bearer ada\r\n", ErrorCode::Forbidden),
    ] {
        let answer = asked(&harness, "POST /v1/types", headers, "1").await;
        is_refused(&answer, code);
    }
}

#[tokio::test]
async fn a_body_that_may_come_is_asked_for_once() {
    let harness = Harness::start().await;
    let post = "POST /v1/objects/counter/a/add";
    let headers = "content-length: 2\r\nconnection: close\r\n";
    let answer = asked(&harness, post, headers, "42").await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n42"), "{answer}");
    let answer = asked(&harness, post, headers, "4}").await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 "), "{answer}");
}
