//! `GET /v1/openapi-admin.json`: the document is valid, and every operation of a running node responds as described.

use highlander_tests::client::{Client, Request};
use highlander_tests::node::{Node, Options};
use highlander_tests::reply::Reply;
use highlander_tests::{artifacts, wait};
use reqwest::Method;
use serde_json::{Value, json};

use super::Workshop;

/// Responses of a node, each with the operation that it belongs to.
struct Responses {
    client: Client,
    all: Vec<Value>,
}

impl Responses {
    /// Sends a request of this operation, keeps the response, and returns it.
    async fn keep(&mut self, operation: &str, request: Request) -> Reply {
        let reply = request.send().await;
        let media_type = reply.headers.get("content-type").map(|value| value.to_str().unwrap());
        self.all.push(json!({
            "operation": operation, "status": reply.status, "type": media_type, "body": reply.text(),
        }));
        reply
    }

    async fn get(&mut self, operation: &str, path: &str) -> Reply {
        self.keep(operation, self.client.get(path)).await
    }

    async fn post(&mut self, operation: &str, path: &str) -> Reply {
        self.keep(operation, self.client.request(Method::POST, path)).await
    }

    async fn delete(&mut self, operation: &str, path: &str) -> Reply {
        self.keep(operation, self.client.request(Method::DELETE, path)).await
    }

    async fn upload(&mut self, operation: &str, path: &str, guest: &str) -> Reply {
        let request = self.client.request(Method::POST, path);
        self.keep(operation, request.body(artifacts::guest_bytes(guest))).await
    }

    /// Calls a handler of an object of the type `interacting`.
    async fn call(&self, key: &str, handler: &str, argument: Value) {
        let call = self.client.call(&format!("interacting/{key}"), handler).json(argument);
        let _ = call.send().await.done();
    }

    async fn messages(&self, key: &str) -> Value {
        let path = format!("/v1/objects/interacting/{key}/messages");
        self.client.get(&path).send().await.done().json()
    }
}

/// Starts a node that serves the files of `web`.
async fn node(web: &std::path::Path) -> Node {
    std::fs::write(web.join("page.html"), "<p>a page</p>").unwrap();
    let options = Options::new()
        .with("sandbox.compile_time_max", "2m")
        .with_argument("--web")
        .with_argument(web.to_str().expect("a plain path"));
    Node::start_with(options, &["interacting"]).await
}

async fn types(kept: &mut Responses) {
    let _ = kept.upload("types.deploy", "/v1/types", "counter").await;
    let _ = kept.upload("types.deploy", "/v1/types", "counter").await.done();
    for key in ["a", "b", "c"] {
        kept.client.increment(&format!("counter/{key}")).await;
    }
    let tried = kept.upload("rehearsals.start", "/v1/rehearsals?sample=all", "counter-v2").await;
    assert_eq!(tried.done().json()["rehearsed"]["tried"], 3);
    let begun = kept.upload("rehearsals.start", "/v1/rehearsals?wait=false", "counter-v2").await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    let _ = kept.get("rehearsals.show", "/v1/types/counter/rehearsal").await.done();
    kept.get("rehearsals.show", "/v1/types/nothing/rehearsal").await.problem("rehearsal-not-found");
    let canary = "/v1/types?canary_key=a&canary_key=b";
    assert_eq!(kept.upload("types.deploy", canary, "counter-v2").await.status, 201);
    let _ = kept.get("types.show", "/v1/types/counter").await.done();
    let status = kept.get("types.show_rollout", "/v1/types/counter/rollout?live=true").await;
    assert_eq!(status.done().json()["rollout"]["scope"], json!({ "keys": ["a", "b"] }));
    let _ = kept.post("types.roll_back", "/v1/types/counter/rollback").await.done();
    let again = kept.upload("types.deploy", "/v1/types?wait=false", "counter-v2").await;
    assert_eq!(again.status, 202, "{}", again.text());
    let back = kept.post("types.roll_back", "/v1/types/counter/rollback?to=1&wait=false").await;
    assert_eq!(back.status, 202, "{}", back.text());
    let text = kept.client.request(Method::POST, "/v1/types").body("text");
    kept.keep("types.deploy", text).await.problem("component-refused");
    let _ = kept.get("types.list", "/v1/types").await.done();
    kept.get("types.list", "/v1/types?x=1").await.problem("malformed-request");
    kept.get("types.show", "/v1/types/nothing").await.problem("unknown-type");
}

async fn objects(kept: &mut Responses) {
    let _ = kept.get("objects.list", "/v1/objects/counter?limit=2").await.done();
    let _ = kept.get("objects.list", "/v1/objects/counter?active=true").await.done();
    let _ = kept.get("objects.locate", "/v1/objects/counter/a/owner").await.done();
    let _ = kept.post("objects.deactivate", "/v1/objects/counter/a/deactivate").await.done();
    let _ = kept.get("objects.locate", "/v1/objects/counter/a/owner").await.done();
    let lift = kept.delete("objects.lift_quarantine", "/v1/objects/counter/a/quarantine").await;
    assert_eq!(lift.done().json(), false);
}

async fn messages(kept: &mut Responses) {
    kept.call("b", "refuse_messages", json!(true)).await;
    kept.call("a", "send", json!({ "to": ["b"], "count": 3, "tag": "t" })).await;
    let show = "/v1/objects/interacting/a/messages";
    let _ = kept.get("objects.show_effects", show).await.done();
    wait::until("the messages were given up", async || {
        kept.messages("a").await["dead"].as_array().map(Vec::len) == Some(3)
    })
    .await;
    let shown = kept.get("objects.show_effects", show).await.done().json();
    let number = &shown["dead"][0]["number"];
    let one = format!("{show}?number={number}");
    assert_eq!(kept.delete("objects.drop_messages", &one).await.done().json(), 1);
    let retry = format!("{show}/retry");
    assert_eq!(kept.post("objects.retry_messages", &retry).await.done().json(), 2);
    let outdated = kept.client.request(Method::DELETE, show).header("if-match", "\"0\"");
    kept.keep("objects.drop_messages", outdated).await.problem("version-mismatch");
}

async fn alarms(kept: &mut Responses) {
    kept.call("c", "refuse_alarms", json!(true)).await;
    let hour = json!({ "name": "tea", "after_ms": 3_600_000, "every_ms": 5_000, "argument": [1] });
    kept.call("c", "set_alarm", hour).await;
    kept.call("c", "set_alarm", json!({ "name": "now", "after_ms": 0 })).await;
    wait::until("an alarm has failed once", async || {
        let alarms = kept.messages("c").await["alarms"].clone();
        alarms.as_array().unwrap().iter().any(|alarm| alarm["tries"] != 0)
    })
    .await;
    let _ = kept.get("objects.show_effects", "/v1/objects/interacting/c/messages").await.done();
    let path = "/v1/objects/interacting/c/alarms";
    let _ = kept.post("objects.fire_alarm", &format!("{path}/due")).await.done();
    let _ = kept.post("objects.retry_alarms", &format!("{path}/retry")).await.done();
    let _ = kept.delete("objects.drop_alarms", path).await.done();
}

async fn nodes(kept: &mut Responses) {
    let _ = kept.get("node.describe", "/").await.done();
    let _ = kept.get("node.health", "/healthz").await.done();
    let _ = kept.get("node.ready", "/readyz").await.done();
    let _ = kept.get("node.metrics", "/metrics").await.done();
    let _ = kept.get("problems.explain", "/problems/draining").await.done();
    kept.get("problems.explain", "/problems/nothing").await.problem("unknown-route");
    let _ = kept.get("web.serve", "/web/page.html").await.done();
    kept.get("web.serve", "/web/nothing.html").await.problem("unknown-route");
    let _ = kept.get("documents.objects", "/v1/openapi.json").await.done();
    let _ = kept.get("documents.admin", "/v1/openapi-admin.json").await.done();
    kept.post("nodes.drain", "/v1/nodes/nothing/drain").await.problem("node-not-found");
    let nodes = kept.get("nodes.list", "/v1/nodes").await.done().json();
    let node = nodes["nodes"][0]["id"].as_str().expect("a node").to_owned();
    kept.delete("types.remove", "/v1/types/counter").await.problem("type-in-use");
    let _ = kept.delete("types.remove", "/v1/types/counter?force=true").await.done();
    let listed = kept.get("types.list", "/v1/types").await.done().json();
    assert_eq!(listed["removed"][0]["name"], "counter");
    let _ = kept.post("nodes.drain", &format!("/v1/nodes/{node}/drain")).await.done();
    let _ = kept.get("nodes.list", "/v1/nodes").await.done();
    kept.get("node.ready", "/readyz").await.problem("draining");
}

/// Checks responses against a document. Returns the exit code and the mistakes.
async fn check(workshop: &Workshop, document: &Value, responses: &[Value]) -> (i32, String) {
    workshop.write("openapi.json", document);
    workshop.write("responses.json", &json!(responses));
    let ended = workshop.run("node", &["responses.mjs", "openapi.json", "responses.json"]).await;
    (ended.code, ended.stderr)
}

#[tokio::test]
async fn every_operation_responds_as_described_and_a_deviation_would_be_found() {
    let Some(workshop) = Workshop::open() else { return };
    let web = tempfile::tempdir().unwrap();
    let node = node(web.path()).await;
    let mut kept = Responses { client: node.client(), all: Vec::new() };
    types(&mut kept).await;
    objects(&mut kept).await;
    messages(&mut kept).await;
    alarms(&mut kept).await;
    nodes(&mut kept).await;
    let document = node.client().get("/v1/openapi-admin.json").send().await.done().json();
    let (code, mistakes) = check(&workshop, &document, &kept.all).await;
    assert_eq!((code, mistakes.as_str()), (0, ""));

    let index = kept.all.iter().position(|one| one["operation"] == "nodes.list").unwrap();
    for (member, wrong, expected) in [
        ("body", json!("{\"nodes\":[{}]}"), "must have required property"),
        ("body", json!("{\"nodes\":[],\"more\":1}"), "must NOT have additional properties"),
        ("body", json!("{\"nodes\":[]"), "is not JSON"),
        ("type", json!("text/plain"), "has the media type text/plain"),
        ("status", json!(299), "has the media type application/json"),
        ("operation", json!("nodes.none"), "is not described"),
    ] {
        let mut responses = kept.all.clone();
        responses[index][member] = wrong;
        let (code, mistakes) = check(&workshop, &document, &responses).await;
        assert!(code == 1 && mistakes.contains(expected), "{expected}: {mistakes}");
    }
    let without = |one: &&Value| one["operation"] != "nodes.drain";
    let without: Vec<_> = kept.all.iter().filter(without).cloned().collect();
    let (code, mistakes) = check(&workshop, &document, &without).await;
    assert!(code == 1 && mistakes.contains("nodes.drain: no request succeeded"), "{mistakes}");
}

#[tokio::test]
async fn the_document_of_the_admin_routes_is_valid_and_a_client_can_be_generated() {
    let Some(workshop) = Workshop::open() else { return };
    let node = Node::start(Options::new()).await;
    let document = node.client().get("/v1/openapi-admin.json").send().await.done().json();
    let ended = workshop.validate(&document).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let generate = ["openapi.json", "--output", "admin.ts"];
    let _ = workshop.run_package("openapi-typescript", &generate).await.done();
    let strict = ["--strict", "--noEmit", "--skipLibCheck", "admin.ts"];
    let compiled = workshop.run_package("tsc", &strict).await;
    assert_eq!(compiled.code, 0, "{}", compiled.stdout);
}
