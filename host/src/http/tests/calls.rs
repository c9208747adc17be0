//! Successful requests: calls, states, conditions, retries, listings, deployments, and the pages of the node.
//!
//! Errors are tested in `codes`.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_call_is_answered_with_its_version_epoch_revision_and_node() {
    let harness = Harness::start().await;
    let answer = harness.post("/v1/objects/counter/a/add", "41").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "41"));
    let headers = ["etag", "highlander-version", "highlander-epoch", "highlander-revision"];
    assert_eq!(headers.map(|name| answer.header(name).unwrap()), ["\"1-r1\"", "1", "1", "1"]);
    assert_eq!(answer.header("highlander-node"), Some(harness.node.id().as_str()));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let answer = harness.post("/v1/objects/counter/a/increment", "").await;
    assert_eq!((answer.body.as_str(), answer.header("etag")), ("42", Some("\"2-r1\"")));
}

#[tokio::test]
async fn a_state_is_read_replaced_and_deleted_under_conditions() {
    let harness = Harness::start().await;
    let path = "/v1/objects/counter/a";
    let put = |condition: (&'static str, &'static str)| {
        let request = harness.request(Method::PUT, path).header(condition.0, condition.1);
        send(request.body(r#"{"value":7}"#))
    };
    assert_eq!(put(("if-none-match", "*")).await.status, 200);
    put(("if-none-match", "*")).await.is_problem(ErrorCode::VersionMismatch);
    put(("if-match", "\"2\"")).await.is_problem(ErrorCode::VersionMismatch);
    assert_eq!(put(("if-match", "\"1\"")).await.header("etag"), Some("\"2-r1\""));
    let state = harness.get(path).await;
    let version = state.header("highlander-version");
    assert_eq!((state.json(), version), (json!({ "value": 7 }), Some("2")));
    let tag = state.header("etag").unwrap();
    let known = send(harness.request(Method::GET, path).header("if-none-match", tag)).await;
    assert_eq!((known.status, known.body.as_str(), known.header("etag")), (304, "", Some(tag)));
    let delete = |tag| send(harness.request(Method::DELETE, path).header("if-match", tag));
    delete("\"1\"").await.is_problem(ErrorCode::VersionMismatch);
    assert_eq!(delete("\"2\"").await.header("etag"), Some("\"3-r1\""));
    send(harness.request(Method::DELETE, path)).await.is_problem(ErrorCode::ObjectNotFound);
}

#[tokio::test]
async fn a_repeated_key_gets_the_first_answer() {
    let harness = Harness::start().await;
    let call = || {
        let request = harness.request(Method::POST, "/v1/objects/counter/a/add");
        send(request.header("idempotency-key", "k-1").body("5"))
    };
    let first = call().await;
    assert_eq!((first.body.as_str(), first.header("idempotency-replayed")), ("5", None));
    let second = call().await;
    assert_eq!((second.body.as_str(), second.header("idempotency-replayed")), ("5", Some("true")));
    assert_eq!(second.header("etag"), Some("\"1-r1\""));
}

#[tokio::test]
async fn keys_keep_their_slashes_and_percent_signs() {
    let harness = Harness::start().await;
    for path in ["a%2Fb", "a%252Fb", "%C3%A4", "%2525"] {
        assert_eq!(harness.post(&format!("/v1/objects/counter/{path}/add"), "1").await.body, "1");
    }
    let page = harness.get("/v1/objects/counter").await.json();
    assert_eq!(page["keys"], json!(["%25", "ä", "a%2Fb", "a/b"]));
}

#[tokio::test]
async fn listings_are_paged_and_filtered() {
    let harness = Harness::start().await;
    for key in ["a1", "a2", "a3", "b1"] {
        harness.post(&format!("/v1/objects/counter/{key}/increment"), "").await;
    }
    let page = harness.get("/v1/objects/counter?prefix=a&limit=2").await.json();
    assert_eq!(page, json!({ "type": "counter", "keys": ["a1", "a2"], "next": "a2" }));
    let page = harness.get("/v1/objects/counter?prefix=a&limit=2&after=a2").await.json();
    assert_eq!(page, json!({ "type": "counter", "keys": ["a3"], "next": null }));
    let gone = harness.post("/v1/objects/counter/a1/deactivate", "").await.json();
    assert_eq!(gone, json!({ "object": "counter/a1", "was_active": true }));
    let page = harness.get("/v1/objects/counter?active=true").await.json();
    let active = json!({
        "type": "counter", "keys": ["a2", "a3", "b1"], "next": null, "unanswered": [],
    });
    assert_eq!(page, active);
    for bad in ["limit=0", "limit=1001", "limit=x", "prefx=a", "active=perhaps", "limit=1&limit=1"]
    {
        let answer = harness.get(&format!("/v1/objects/counter?{bad}")).await;
        answer.is_problem(ErrorCode::MalformedRequest);
    }
}

#[tokio::test]
async fn the_location_of_an_object_follows_its_lifecycle() {
    let harness = Harness::start().await;
    harness.post("/v1/objects/counter/a/increment", "").await;
    let found = harness.get("/v1/objects/counter/a/owner").await.json();
    let expected = json!({
        "object": "counter/a", "node": harness.node.id().as_str(),
        "tier": "resident", "version": 1, "epoch": 1, "revision": 1,
        "exists": true, "mailbox_len": 0, "waits_for": null,
    });
    assert_eq!(found, expected);
    harness.post("/v1/objects/counter/a/deactivate", "").await;
    let found = harness.get("/v1/objects/counter/a/owner").await.json();
    assert_eq!((&found["tier"], &found["node"]), (&json!("cold"), &json!(null)));
}

#[tokio::test]
async fn components_are_deployed_and_shown() {
    let harness = Harness::without_types(|_| {}).await;
    assert_eq!(
        harness.get("/v1/types").await.json(),
        json!({ "types": [], "removed": [], "damaged": [] })
    );
    let deploy = |body: &'static str| {
        let request = harness.request(Method::POST, "/v1/types");
        send(request.header("content-type", "application/wasm").body(body))
    };
    let first = deploy("scripted:todo").await;
    let document = first.json();
    assert_eq!(
        (first.status, &document["revision"], &document["is_new"]),
        (201, &json!(1), &json!(true))
    );
    let again = deploy("scripted:todo").await;
    assert_eq!((again.status, &again.json()["is_new"]), (200, &json!(false)));
    assert_eq!(deploy("scripted:todo another").await.json()["revision"], 2);
    let types = harness.get("/v1/types").await.json();
    assert_eq!(
        (&types["types"][0]["name"], &types["types"][0]["current"]),
        (&json!("todo"), &json!(2))
    );
    let shown = harness.get("/v1/types/todo").await.json();
    assert_eq!((shown["revisions"].as_array().unwrap().len(), &shown["current"]), (2, &json!(2)));
    assert_eq!(shown["description"]["name"], "todo");
}

#[tokio::test]
async fn the_node_shows_itself() {
    let harness = Harness::start().await;
    harness.post("/v1/objects/counter/a/increment", "").await;
    let nodes = harness.get("/v1/nodes").await.json();
    let node = json!({ "id": harness.node.id().as_str(), "address": harness.address,
        "status": "ready", "active_objects": 1 });
    assert_eq!(nodes["nodes"], json!([node]));
    assert_eq!(harness.get("/healthz").await.body, "ok\n");
    assert_eq!(harness.get("/readyz").await.body, "ready\n");
    assert_eq!(harness.get("/").await.json()["name"], "Highlander");
    assert!(
        harness.get("/metrics").await.body.contains("highlander_calls_total{outcome=\"done\"} 1")
    );
    assert!(harness.get("/problems/draining").await.body.starts_with("## `draining`\n"));
    let head = send(harness.request(Method::HEAD, "/healthz")).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("3")));
}

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let harness = Harness::start().await;
    let stream = hyper_util::rt::TokioIo::new(harness.connect().await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(executor, stream).await.unwrap();
    tokio::spawn(connection);
    let call = |body: &'static str| {
        let uri = format!("{}/v1/objects/counter/a/add", harness.url);
        let request = http::Request::builder().method(Method::POST).uri(uri);
        request.body(http_body_util::Full::new(bytes::Bytes::from(body))).unwrap()
    };
    let response = client.send_request(call("1")).await.unwrap();
    assert_eq!((response.version(), response.status().as_u16()), (http::Version::HTTP_2, 200));
    let refused = client.send_request(call("{")).await.unwrap();
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_take_its_call_with_it() {
    let harness = Harness::start().await;
    let mut stream = harness.connect().await;
    let request =
        "POST /v1/objects/counter/a/sleep HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n100";
    stream.write_all(request.as_bytes()).await.unwrap();
    // The call has started once the object is active.
    while harness.get("/v1/objects/counter?active=true").await.json()["keys"] != json!(["a"]) {
        tokio::task::yield_now().await;
    }
    drop(stream);
    let version = harness.get("/v1/objects/counter/a").await;
    assert_eq!(
        version.header("highlander-version"),
        Some("1"),
        "the query waits for the previous call"
    );
}
