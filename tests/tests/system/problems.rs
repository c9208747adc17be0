//! Every kind of invalid request: each has its own error code, and changes nothing.

use futures_util::future::join_all;
use highlander_tests::client::{Client, Request};
use highlander_tests::node::{Node, Options};
use highlander_tests::reply::Reply;
use reqwest::Method;
use serde_json::json;

/// The object that must stay unchanged: a counter at 7, at version 1.
const OBJECT: &str = "counter/a";

async fn node_with_object() -> (Node, Client) {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    let _ = client.call(OBJECT, "add").json(json!(7)).send().await.done();
    (node, client)
}

/// Sends a request that must fail with `code`, and checks that the object is unchanged.
async fn refused(client: &Client, request: Request, code: &str) -> Reply {
    let before = client.state(OBJECT).await;
    let reply = request.send().await;
    reply.problem(code);
    let after = client.state(OBJECT).await;
    assert_eq!(before.content(), after.content());
    reply
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (_node, client) = node_with_object().await;
    for (path, code) in [
        ("/v1/objects/counter/a/no_such_handler", "unknown-handler"),
        ("/v1/objects/counter/a/get", "unknown-handler"),
        ("/v1/objects/counter/a/put", "unknown-handler"),
        ("/v1/objects/nothing/a/increment", "unknown-type"),
        ("/v1/objects/counter/a/events", "method-not-allowed"),
        ("/v1/objects/counter/a/b/increment", "unknown-route"),
        ("/v2/objects/counter/a/increment", "unknown-route"),
        ("/favicon.ico", "unknown-route"),
    ] {
        refused(&client, client.request(Method::POST, path), code).await;
    }
    for (path, code) in [
        ("/v1/objects/nothing/a", "unknown-type"),
        ("/v1/objects/nothing", "unknown-type"),
        ("/v1/objects/nothing/a/owner", "unknown-type"),
        ("/v1/types/nothing", "unknown-type"),
        ("/problems/nothing", "unknown-route"),
    ] {
        refused(&client, client.get(path), code).await;
    }
}

#[tokio::test]
async fn names_that_follow_no_grammar_are_refused() {
    let (_node, client) = node_with_object().await;
    let too_long = "k".repeat(257);
    for key in ["", "%0A", "%00", "%7F", "%ff", "%C3", "a%zz", "a%", &too_long] {
        let path = format!("/v1/objects/counter/{key}/increment");
        refused(&client, client.request(Method::POST, &path), "invalid-object-id").await;
    }
    for type_name in ["Counter", "1", "a_b", "a%20b", &"t".repeat(64)] {
        let path = format!("/v1/objects/{type_name}/a/increment");
        refused(&client, client.request(Method::POST, &path), "invalid-object-id").await;
    }
    let longest = "k".repeat(256);
    assert_eq!(client.increment(&format!("counter/{longest}")).await, 1);
    // A slash and Chinese characters are valid in keys.
    assert_eq!(client.increment("counter/a%2Fb").await, 1);
    assert_eq!(client.increment("counter/%E4%B8%96%E7%95%8C").await, 1);
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused() {
    let (_node, client) = node_with_object().await;
    for body in ["\"x\"", "-1", "1.5", "null", "[1]", "{}"] {
        let call = client.call(OBJECT, "add").body(body);
        refused(&client, call, "invalid-argument").await;
    }
    refused(&client, client.call(OBJECT, "increment").body("7"), "invalid-argument").await;
    for body in ["{\"value\": \"x\"}", "{\"valeu\": 1}", "7", "null"] {
        let put = client.object(Method::PUT, OBJECT).body(body);
        refused(&client, put, "invalid-argument").await;
    }
}

#[tokio::test]
async fn requests_that_cannot_be_read_are_refused() {
    let (_node, client) = node_with_object().await;
    let malformed = async |request| refused(&client, request, "malformed-request").await;
    for body in ["{", "1 2", "nul", "'a'", "\u{feff}1"] {
        malformed(client.call(OBJECT, "add").body(body)).await;
    }
    malformed(client.call(OBJECT, "add").body(&b"\"\xff\""[..])).await;
    let long_key = "k".repeat(129);
    for (name, value) in [
        ("if-match", "7"),
        ("if-match", "\"1\" \"2\""),
        ("if-match", "*, \"1\""),
        ("if-none-match", "\"1\""),
        ("idempotency-key", "a b"),
        ("idempotency-key", &long_key),
        ("highlander-timeout", "5"),
        ("highlander-timeout", "0s"),
        ("highlander-timeout", "1h"),
        ("highlander-consistency", "eventual"),
    ] {
        malformed(client.call(OBJECT, "increment").header(name, value)).await;
    }
    malformed(client.call(OBJECT, "add").header("content-type", "text/plain").body("1")).await;
    for query in ["limit=0", "limit=1001", "limit=x", "prefx=a", "prefix=%FF", "active=maybe"] {
        malformed(client.get(&format!("/v1/objects/counter?{query}"))).await;
    }
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_are_allowed() {
    let (_node, client) = node_with_object().await;
    for (method, path, allowed) in [
        (Method::PATCH, "/v1/objects/counter/a", "GET, HEAD, PUT, DELETE"),
        (Method::POST, "/v1/objects/counter/a", "GET, HEAD, PUT, DELETE"),
        (Method::GET, "/v1/objects/counter/a/increment", "POST"),
        (Method::DELETE, "/v1/types", "GET, HEAD, POST"),
        (Method::POST, "/metrics", "GET, HEAD"),
    ] {
        let reply = refused(&client, client.request(method, path), "method-not-allowed").await;
        assert_eq!(reply.header("allow"), allowed, "{path}");
    }
}

#[tokio::test]
async fn conditions_that_do_not_hold_are_refused() {
    let (_node, client) = node_with_object().await;
    for (name, value) in [
        ("if-match", "\"0\""),
        ("if-match", "\"2\""),
        ("if-match", "\"0\", \"2-r1\""),
        ("if-match", "W/\"1\""),
        ("if-match", "\"x\""),
        ("if-none-match", "*"),
    ] {
        for request in [
            client.object(Method::PUT, OBJECT).json(json!({ "value": 1 })),
            client.object(Method::DELETE, OBJECT),
            client.call(OBJECT, "increment"),
        ] {
            refused(&client, request.header(name, value), "version-mismatch").await;
        }
    }
    let put = client.object(Method::PUT, OBJECT).json(json!({ "value": 1 }));
    assert_eq!(put.header("if-match", "\"1\"").send().await.done().version(), 2);
    let put = client.object(Method::PUT, "counter/new").json(json!({ "value": 1 }));
    assert_eq!(put.header("if-none-match", "*").send().await.done().version(), 1);
    let absent = client.object(Method::PUT, "counter/absent").json(json!({ "value": 1 }));
    absent.header("if-match", "*").send().await.problem("version-mismatch");
    for holds in ["*", "\"9\", \"2-r1\""] {
        let call = client.call(OBJECT, "value").header("if-match", holds);
        assert_eq!(call.send().await.done().version(), 2, "{holds}");
    }
    // A repeated read of the same version returns no body.
    let tag = client.state(OBJECT).await.header("etag").to_owned();
    let read = client.object(Method::GET, OBJECT).header("if-none-match", &tag).send().await;
    assert_eq!((read.status, read.version(), read.body.len()), (304, 2, 0));
}

#[tokio::test]
async fn a_parameter_or_a_header_that_was_meant_otherwise_is_refused() {
    let (_node, client) = node_with_object().await;
    let path = format!("/v1/objects/{OBJECT}");
    for (method, query) in [
        (Method::DELETE, "?number=7"),
        (Method::PUT, "?if_match=1"),
        (Method::GET, "?limit=1"),
        (Method::POST, "/increment?key=a"),
        (Method::GET, "/owner?x"),
        (Method::POST, "/deactivate?now=true"),
        (Method::GET, "/messages?number=1"),
        (Method::GET, "/value?argumemt=1"),
        (Method::DELETE, "/quarantine?x=1"),
    ] {
        let request = client.request(method, &format!("{path}{query}"));
        let problem = refused(&client, request, "malformed-request").await.json();
        let name = query.split(['?', '=']).nth(1).unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(&format!("{name:?}")), "{problem}");
    }
    let call = || client.call(OBJECT, "increment");
    for (name, first, second) in [
        ("if-match", "\"1\"", "\"2\""),
        ("if-none-match", "*", "*"),
        ("idempotency-key", "a", "b"),
        ("highlander-timeout", "5s", "1s"),
        ("content-type", "application/json", "text/plain"),
    ] {
        let request = call().header(name, first).header(name, second);
        let problem = refused(&client, request, "malformed-request").await.json();
        assert!(problem["detail"].as_str().unwrap().contains(name), "{problem}");
    }
    let packed = client.call(OBJECT, "add").header("content-encoding", "gzip").body("1");
    let reply = refused(&client, packed, "unsupported-encoding").await;
    assert_eq!(reply.header("accept-encoding"), "identity");
}

#[tokio::test]
async fn a_handler_is_read_by_get_if_it_only_reads() {
    let (_node, client) = node_with_object().await;
    let read = |path: &str| client.get(&format!("/v1/objects/{OBJECT}/{path}"));
    let value = read("value").send().await.done();
    assert_eq!((value.json(), value.version()), (json!(7), 1));
    assert_eq!(value.header("cache-control"), "private, no-cache");
    let again = read("value").header("if-none-match", value.header("etag")).send().await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    for update in ["increment", "add?argument=1"] {
        let refused = refused(&client, read(update), "method-not-allowed").await;
        assert_eq!(refused.header("allow"), "POST");
    }
    refused(&client, read("nothing"), "unknown-handler").await;
    refused(&client, read("value?argument=7"), "invalid-argument").await;
    refused(&client, read("value?argument=%7B"), "malformed-request").await;
    let _ = client.call(OBJECT, "increment").send().await.done();
    let after = read("value").header("if-none-match", value.header("etag")).send().await.done();
    assert_eq!(after.json(), json!(8));
}

#[tokio::test]
async fn arguments_that_are_all_optional_may_be_left_out() {
    let node = Node::with_guests(&["shelf"]).await;
    let client = node.client();
    for body in ["", "null", "{}", "{\"label\": null}"] {
        let call = client.call("shelf/a", "arrange").body(body);
        assert_eq!(call.send().await.done().json(), json!(0), "{body:?}");
    }
    let place = client.call("shelf/a", "place");
    let _ = place.json(json!({ "name": "cup", "grams": 300 })).send().await.done();
    for query in ["", "?argument=", "?argument=null", "?argument=%7B%22prefix%22%3A%22c%22%7D"] {
        let read = client.get(&format!("/v1/objects/shelf/a/list{query}")).send().await.done();
        assert_eq!(read.json(), json!([{ "name": "cup", "grams": 300 }]), "{query}");
    }
    let none = client.get("/v1/objects/shelf/a/list?argument=%7B%22grams_max%22%3A1%7D");
    assert_eq!(none.send().await.done().json(), json!([]));
    // A single required argument suffices to reject a call without arguments.
    client.call("shelf/a", "place").send().await.problem("invalid-argument");
    client.call("shelf/a", "delete").send().await.problem("invalid-argument");
}

/// A shelf has no `get` and no `put`.
#[tokio::test]
async fn only_methods_that_are_there_are_named() {
    let node = Node::with_guests(&["shelf"]).await;
    let client = node.client();
    for (method, path, allowed) in [
        (Method::GET, "/v1/objects/shelf/a", "DELETE"),
        (Method::PUT, "/v1/objects/shelf/a", "DELETE"),
        (Method::PATCH, "/v1/objects/shelf/a", "DELETE"),
        (Method::GET, "/v1/objects/shelf/a/place", "POST"),
        (Method::PUT, "/v1/objects/shelf/a/list", "GET, HEAD, POST"),
        (Method::PUT, "/v1/objects/shelf/a/messages", "GET, HEAD, DELETE"),
        (Method::GET, "/v1/objects/shelf/a/quarantine", "DELETE"),
        (Method::GET, "/v1/objects/shelf/a/messages/retry", "POST"),
        (Method::GET, "/v1/objects/shelf/a/alarms/due", "POST"),
    ] {
        let reply = client.request(method, path).send().await;
        reply.problem("method-not-allowed");
        assert_eq!(reply.header("allow"), allowed, "{path}");
    }
    let unknown = client.request(Method::PATCH, "/v1/objects/shelf/a/nothing").send().await;
    unknown.problem("unknown-handler");
    client.request(Method::PATCH, "/v1/objects/nothing/a").send().await.problem("unknown-type");
}

#[tokio::test]
async fn a_key_is_not_for_two_different_calls() {
    let (_node, client) = node_with_object().await;
    let first = client.call("counter/b", "add").key("k").json(json!(1)).send().await.done();
    for request in [
        client.call("counter/b", "add").json(json!(2)),
        client.call("counter/b", "increment"),
        client.object(Method::DELETE, "counter/b"),
    ] {
        refused(&client, request.key("k"), "idempotency-key-reused").await;
    }
    assert_eq!(client.state("counter/b").await.version(), first.version());
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let (_node, client) = node_with_object().await;
    let body = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let call = client.call(OBJECT, "add").body(body((1 << 20) + 1));
    refused(&client, call, "body-too-large").await;
    // One byte less is read, and is not a valid number.
    refused(&client, client.call(OBJECT, "add").body(body(1 << 20)), "invalid-argument").await;

    client.deploy("misbehaving").await;
    assert_eq!(client.increment("misbehaving/a").await, 1);
    let before = client.state("misbehaving/a").await;
    let grow = async |bytes: usize| {
        client.call("misbehaving/a", "grow_state").json(json!(bytes)).send().await
    };
    grow(1 << 20).await.problem("state-too-large");
    assert_eq!(client.state("misbehaving/a").await.content(), before.content());
    let _ = grow((1 << 20) - 100).await.done();
    assert_eq!(client.increment("misbehaving/a").await, 2);
}

#[tokio::test]
async fn a_deleted_object_is_as_if_it_had_never_been() {
    let (_node, client) = node_with_object().await;
    let delete = async |object: &str| client.object(Method::DELETE, object).send().await;
    delete("counter/never").await.problem("object-not-found");
    assert_eq!(delete(OBJECT).await.done().version(), 2);
    delete(OBJECT).await.problem("object-not-found");
    let owner = client.get("/v1/objects/counter/a/owner").send().await.done().json();
    assert_eq!((&owner["exists"], &owner["version"]), (&json!(false), &json!(2)));
    assert_eq!(client.state(OBJECT).await.json(), json!({ "value": 0 }));
    assert_eq!(client.increment(OBJECT).await, 1);
    assert_eq!(client.state(OBJECT).await.version(), 3);
}

/// Starts a node on which a call may use two seconds of CPU time, however long that takes.
async fn node_to_keep_busy(mailbox_len: &str) -> (Node, Client) {
    let options = Options::new().with("sandbox.cpu_max", "2s").with("objects.call_timeout", "60s");
    let options = options.with("objects.mailbox_len", mailbox_len);
    let node = Node::start_with(options, &["misbehaving"]).await;
    let client = node.client();
    (node, client)
}

/// A mailbox of one has an overflow queue of sixteen, in which callers wait for 50 ms.
#[tokio::test]
async fn an_overloaded_object_says_so_and_does_nothing() {
    const CALLERS: u64 = 60;
    let (_node, client) = node_to_keep_busy("1").await;
    assert_eq!(client.increment("misbehaving/a").await, 1);
    let spinning = client.keep_busy("misbehaving/a").await;
    let calls = (0..CALLERS).map(|_| client.call("misbehaving/a", "increment").send());
    let replies = join_all(calls).await;
    spinning.await.unwrap().unwrap().problem("cpu-exceeded");
    let (done, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    for reply in &refused {
        reply.problem("mailbox-full");
        assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
    }
    assert!(refused.len() >= 40, "{} of {CALLERS} calls were rejected", refused.len());
    assert_eq!(client.value("misbehaving/a").await, 1 + done.len() as u64);
}

#[tokio::test]
async fn a_call_that_waits_for_too_long_is_not_begun() {
    let (_node, client) = node_to_keep_busy("128").await;
    assert_eq!(client.increment("misbehaving/a").await, 1);
    let spinning = client.keep_busy("misbehaving/a").await;
    let hurried = client.call("misbehaving/a", "increment").header("highlander-timeout", "100ms");
    hurried.send().await.problem("deadline-exceeded");
    spinning.await.unwrap().unwrap().problem("cpu-exceeded");
    assert_eq!(client.value("misbehaving/a").await, 1);
}

#[tokio::test]
async fn every_code_is_explained_by_the_node() {
    let node = Node::start(Options::new()).await;
    for code in highlander_tests::problem::CODES.keys() {
        let text = node.client().get(&format!("/problems/{code}")).send().await.done().text();
        assert!(text.starts_with(&format!("## `{code}`\n")), "{text}");
    }
}
