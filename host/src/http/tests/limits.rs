//! Limits of requests and connections, tested at the limit and one above it.
//!
//! Timeouts are short here; their defaults are in `Config::new`.

use highlander_core::limits::ARGUMENT_BYTES_MAX;
use tokio::time::Instant;

use super::*;

/// Asserts that a raw response contains this problem.
#[track_caller]
fn problem(answer: &str, code: ErrorCode) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {}", code.status())), "{head}");
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    let document: Value = serde_json::from_str(body).unwrap();
    assert_eq!(document["code"], code.as_str());
}

#[tokio::test]
async fn an_argument_may_have_one_mebibyte() {
    let harness = Harness::start().await;
    let text = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    let path = "/v1/objects/counter/a/add";
    // The argument arrives whole: the error is the object's.
    harness.post(path, &text(ARGUMENT_BYTES_MAX)).await.is_problem(ErrorCode::InvalidArgument);
    harness.post(path, &text(ARGUMENT_BYTES_MAX + 1)).await.is_problem(ErrorCode::BodyTooLarge);
    let head = "POST /v1/objects/counter/a/add HTTP/1.1\r\nhost: h\r\nconnection: close\r\n";
    let chunk =
        format!("{:x}\r\n{}\r\n0\r\n\r\n", ARGUMENT_BYTES_MAX + 1, text(ARGUMENT_BYTES_MAX + 1));
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}");
    problem(&harness.raw(chunked.as_bytes()).await, ErrorCode::BodyTooLarge);
}

#[tokio::test]
async fn a_component_may_have_its_own_limit() {
    let harness = Harness::with(|config| config.component_max = 20).await;
    assert_eq!(harness.post("/v1/types", "scripted:counter 123").await.status, 201);
    let document = harness.post("/v1/types", "scripted:counter 1234").await;
    let document = document.is_problem(ErrorCode::BodyTooLarge);
    assert!(document["hint"].as_str().unwrap().contains("node.component_max"));
}

/// A client that has sent everything considers the connection open, unless the response says otherwise.
#[tokio::test]
async fn a_rejection_announces_that_the_connection_ends_with_the_rest_of_the_body() {
    let harness = Harness::with(|config| config.component_max = 1000).await;
    let upload = |length: usize| {
        let head = "POST /v1/types HTTP/1.1\r\nhost: h\r\n";
        format!("{head}content-length: {length}\r\n\r\n{}", "x".repeat(length))
    };
    let answer = harness.raw(upload(200_000).as_bytes()).await;
    problem(&answer, ErrorCode::BodyTooLarge);
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    // A body that was read whole ends no connection.
    let next = "GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    let answers = harness.raw(format!("{}{next}", upload(1001)).as_bytes()).await;
    let (first, second) = answers.split_at(answers.rfind("HTTP/1.1 ").unwrap());
    problem(first, ErrorCode::BodyTooLarge);
    assert!(!first.contains("connection: close"), "{first}");
    assert!(second.starts_with("HTTP/1.1 200"), "{second}");
}

#[tokio::test]
async fn a_url_may_have_two_kibibytes() {
    let harness = Harness::start().await;
    let path = |length: usize| {
        let (start, end) = ("/v1/objects/counter/a/value?argument=%22", "%22");
        format!("{start}{}{end}", "x".repeat(length - start.len() - end.len()))
    };
    assert_eq!(harness.get(&path(2048)).await.status, 200);
    harness.get(&path(2049)).await.is_problem(ErrorCode::HeadTooLarge);
}

#[tokio::test]
async fn a_head_may_have_100_fields_and_16_kibibytes() {
    let harness = Harness::start().await;
    let fields = |count: usize| {
        let fields: String = (0..count - 2).map(|n| format!("x-{n}: 1\r\n")).collect();
        format!("GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{fields}\r\n")
    };
    assert!(harness.raw(fields(100).as_bytes()).await.starts_with("HTTP/1.1 200"));
    problem(&harness.raw(fields(101).as_bytes()).await, ErrorCode::HeadTooLarge);
    let long = |length: usize| {
        let head = "GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\nx: ";
        format!("{head}{}\r\n\r\n", "x".repeat(length - head.len() - 4))
    };
    assert!(harness.raw(long(16 * 1024 - 1).as_bytes()).await.starts_with("HTTP/1.1 200"));
    problem(&harness.raw(long(17 * 1024).as_bytes()).await, ErrorCode::HeadTooLarge);
}

#[tokio::test]
async fn what_is_not_http_is_told_so() {
    let harness = Harness::start().await;
    problem(&harness.raw(b"hello\r\n\r\n").await, ErrorCode::MalformedRequest);
    problem(
        &harness.raw(b"GET / HTTP/1.1\r\nbad header\r\n\r\n").await,
        ErrorCode::MalformedRequest,
    );
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off_and_an_idle_connection_is_not() {
    let short = Duration::from_millis(400);
    let harness = Harness::with(|config| {
        config.header_timeout = short;
        config.idle_timeout = Duration::from_millis(1500);
    })
    .await;
    let mut stream = harness.connect().await;
    let started = Instant::now();
    let dripping = async {
        for byte in b"GET /healthz HTTP/1.1\r\nx: ".iter().chain([b'x'; 1000].iter()) {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    dripping.await;
    assert!(started.elapsed() >= short && started.elapsed() < Duration::from_secs(5));

    let mut stream = harness.connect().await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let started = Instant::now();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200"));
    assert!(started.elapsed() >= Duration::from_millis(1200), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let harness = Harness::with(|config| config.header_timeout = Duration::from_millis(200)).await;
    let mut stream = harness.connect().await;
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let harness = Harness::with(|config| config.body_timeout = Duration::from_millis(200)).await;
    let head = "POST /v1/objects/counter/a/add HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 9\r\n\r\n1";
    problem(&harness.raw(head.as_bytes()).await, ErrorCode::MalformedRequest);
}

#[tokio::test]
async fn one_connection_too_many_is_turned_away() {
    let harness = Harness::with(|config| config.connection_max = 1).await;
    let mut first = harness.connect().await;
    first.write_all(b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    problem(&rest(&mut harness.connect().await).await, ErrorCode::NodeFull);
    drop(first);
    while !harness
        .raw(b"GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        .await
        .contains(" 200 ")
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn connections_end_when_the_server_is_stopped() {
    let harness = Harness::start().await;
    let mut stream = harness.connect().await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).await.unwrap();
    harness.stage.send_replace(Stage::Closing);
    assert!(rest(&mut stream).await.contains("ok\n"));
}
