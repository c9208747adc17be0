//! Caller identity forwarded between nodes. The scripted component returns the caller that it received. The
//! permission that each request requires is tested in `auth`.

use highlander_core::caller::Principal;
use highlander_core::caller::tokens::{Tokens, line};
use highlander_core::id::Digest;

use super::*;

const NODE_TOKEN: &str = "node-token-of-the-cluster";

/// Returns the tokens of ada, who may call counters, and of bob, who may not. Their tokens equal their names.
fn tokens() -> Tokens {
    let line =
        |name, scopes: &str| line(&Principal::new(name, scopes.parse().unwrap()).unwrap(), name);
    let lines = [line("ada", "call:counter,deploy:counter,admin"), line("bob", "call:todo")];
    Tokens::parse(&lines.join("\n")).unwrap()
}

/// Starts a node that accepts these tokens, if any, and shares the given node token with the other nodes.
async fn start(
    cluster: &Cluster,
    name: &str,
    tokens: Option<Tokens>,
    node_token: Option<&str>,
) -> Listening {
    let taken = node_token.iter().map(|token| Digest::of(token.as_bytes())).collect();
    let shown = node_token.map(|token| format!("Bearer {token}").parse().unwrap());
    Listening::start_with(cluster, name, Authorizer::new(tokens, taken), shown).await
}

/// Starts two nodes: the first is called, the second owns the object.
async fn pair(
    first: (Option<Tokens>, Option<&str>),
    second: (Option<Tokens>, Option<&str>),
) -> (Cluster, [Listening; 2], ObjectId) {
    let cluster = Cluster::new();
    let nodes = [
        start(&cluster, "a", first.0, first.1).await,
        start(&cluster, "b", second.0, second.1).await,
    ];
    cluster.deploy(&nodes[0].place).await;
    let id = cluster.counter_at("b", "x");
    (cluster, nodes, id)
}

async fn call(node: &Listening, id: &ObjectId, token: Option<&str>, handler: &str) -> Answered {
    let request = node.request(Method::POST, &format!("/v1/objects/{id}/{handler}"));
    let request = request.header("highlander-timeout", "300ms");
    send(token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth)).await
}

#[tokio::test]
async fn an_object_sees_who_called_through_another_node() {
    let closed = || (Some(tokens()), Some(NODE_TOKEN));
    let (_cluster, [a, b], id) = pair(closed(), closed()).await;
    for node in [&a, &b] {
        let answer = call(node, &id, Some("ada"), "caller").await;
        assert_eq!((answer.status, answer.json()), (200, json!("ada")));
    }
    assert_eq!(a.place.node.active_count(), 0, "another node executed it");
    let (_cluster, [a, _b], id) = pair((None, None), (None, None)).await;
    assert_eq!(call(&a, &id, Some("ada"), "caller").await.json(), json!("anonymous"));
}

#[tokio::test]
async fn who_may_not_call_is_refused_before_anything_happens() {
    let closed = || (Some(tokens()), Some(NODE_TOKEN));
    let (_cluster, [a, b], id) = pair(closed(), closed()).await;
    for node in [&a, &b] {
        for (token, status) in [(None, 401), (Some("eve"), 401), (Some("bob"), 403)] {
            assert_eq!(call(node, &id, token, "increment").await.status, status, "{token:?}");
        }
    }
    assert_eq!(a.place.node.active_count() + b.place.node.active_count(), 0);
    // The owner rejects the call, whichever decision the first node made.
    let forwarded = b.request(Method::POST, &format!("/v1/objects/{id}/increment"));
    let forwarded = forwarded.bearer_auth(NODE_TOKEN).header("highlander-hops", "1");
    let bob = forwarded.header("highlander-caller", "principal bob call:todo");
    assert_eq!(send(bob).await.json()["code"], "forbidden");
    assert_eq!(b.place.node.active_count(), 0);
}

#[tokio::test]
async fn what_operators_ask_for_reaches_other_nodes() {
    let closed = || (Some(tokens()), Some(NODE_TOKEN));
    let (_cluster, [a, b], id) = pair(closed(), closed()).await;
    assert_eq!(call(&a, &id, Some("ada"), "increment").await.status, 200);
    let as_ada = |method, path: String| send(a.request(method, &path).bearer_auth("ada"));
    let owner = as_ada(Method::GET, format!("/v1/objects/{id}/owner")).await.json();
    assert_eq!(owner["node"], "b");
    let nodes = as_ada(Method::GET, "/v1/nodes".to_owned()).await.json();
    assert_eq!(nodes["nodes"][1]["active_objects"], 1, "{nodes}");
    let gone = as_ada(Method::POST, format!("/v1/objects/{id}/deactivate")).await.json();
    assert_eq!(gone["was_active"], true);
    assert_eq!(b.place.node.active_count(), 0);
}

/// The second status is for a call whose deadline passes while the other node refuses one more attempt.
#[track_caller]
fn assert_refused(answer: &Answered, why: &str) {
    assert!(matches!(answer.status, 503 | 504), "{why}: {} {}", answer.status, answer.body);
}

/// Nodes with different tokens do not serve each other. The client's token is not blamed.
#[tokio::test]
async fn nodes_with_other_tokens_refuse_each_other() {
    let other = "another-node-token";
    for (second, taken) in [
        ((Some(tokens()), Some(other)), "another one"),
        ((Some(tokens()), None), "none"),
        ((None, None), "none, and every caller is accepted"),
    ] {
        let (_cluster, [a, b], id) = pair((Some(tokens()), Some(NODE_TOKEN)), second).await;
        assert_eq!(call(&b, &id, Some("ada"), "increment").await.body, "1");
        let answer = call(&a, &id, Some("ada"), "increment").await;
        assert_refused(&answer, taken);
        assert_eq!(call(&b, &id, Some("ada"), "value").await.body, "1", "{taken}");
    }
    // A node that accepts every caller cannot authenticate callers for a node that requires tokens.
    let second = (Some(tokens()), Some(NODE_TOKEN));
    let (_cluster, [a, b], id) = pair((None, Some(NODE_TOKEN)), second).await;
    assert_eq!(call(&b, &id, Some("ada"), "increment").await.body, "1");
    assert_refused(&call(&a, &id, None, "increment").await, "no caller");
    assert_eq!(call(&b, &id, Some("ada"), "value").await.body, "1");
}
