//! Authorization in a cluster, at the node that receives a call and at the node that owns the object.

use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::tokens::{self, Tokens};
use highlander_tests::wait;
use reqwest::Method;
use serde_json::json;

const NODE_TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Starts a cluster of two nodes that requires tokens, with the tokens of `root` and of these principals.
async fn closed(others: &[(&str, &str)]) -> (Cluster, Tokens) {
    let mut principals = vec![("root", "call:*,deploy:*,admin")];
    principals.extend(others);
    let tokens = Tokens::new(&principals).await;
    tokens::private(tokens.file("node-token"), NODE_TOKEN);
    let options = ClusterOptions { nodes: 2, ..ClusterOptions::new() }
        .guests(&["counter", "list"])
        .with("auth.tokens_file", tokens.list().to_str().unwrap())
        .with("auth.node_token_file", tokens.file("node-token").to_str().unwrap())
        .token(&tokens.of("root"));
    (Cluster::start(options).await, tokens)
}

#[tokio::test]
async fn an_object_decides_by_who_calls_through_another_node() {
    let (cluster, tokens) = closed(&[("ada", "call:list"), ("bob", "call:list")]).await;
    let as_one = |node, name: &str| cluster.client(node).with_token(Some(&tokens.of(name)));
    // Through both nodes, one of which does not own the list.
    for node in 0..2 {
        let list = format!("list/home-{node}");
        let allow = as_one(node, "ada").call(&list, "allow_user").json(json!("ada"));
        let _ = allow.send().await.done();
        for through in 0..2 {
            let todo = json!({ "todo": format!("milk-{through}") });
            let call = |name| as_one(through, name).call(&list, "insert_todo").json(todo.clone());
            let refused = call("bob").send().await;
            assert_eq!(refused.problem("object-rejected")["rejection"]["code"], "not-allowed");
            let _ = call("ada").send().await.done();
        }
    }
    let shown = as_one(1, "ada").get("/v1/types/list").send().await.done().json();
    assert_eq!(shown["revisions"][0]["deployed_by"], "root", "{shown}");
    assert_eq!(
        cluster.client(0).get("/v1/nodes").send().await.done().json()["nodes"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn who_may_not_is_refused_at_every_node_before_anything_happens() {
    let (cluster, tokens) = closed(&[("bob", "call:list")]).await;
    let object = "counter/refused";
    assert_eq!(cluster.client(0).increment(object).await, 1);
    let owner = cluster.owner_of(object).await;
    let path = format!("/v1/objects/{object}/increment");
    for node in 0..2 {
        let client = cluster.client(node);
        let bob = client.clone().with_token(Some(&tokens.of("bob")));
        bob.call(object, "increment").send().await.problem("forbidden");
        bob.call(object, "deactivate").send().await.problem("forbidden");
        bob.request(Method::POST, "/v1/nodes/n0/drain").send().await.problem("forbidden");
        bob.get("/v1/nodes").send().await.problem("forbidden");
        let nobody = client.clone().with_token(None);
        nobody.call(object, "increment").send().await.problem("unauthenticated");
        // Headers that only nodes may send, from a client that is not a node.
        for client in [&nobody, &bob] {
            let forged = client.request(Method::POST, &path).header("highlander-hops", "1");
            let forged = forged.header("highlander-caller", "principal root call:*").send().await;
            forged.problem("unauthenticated");
        }
        let share = nobody.request(Method::POST, "/v1/types/counter/rehearsal");
        share.json(json!({})).send().await.problem("unauthenticated");
        // The owner checks again, in case the forwarding node did not check properly.
        let lax = client.clone().with_token(Some(NODE_TOKEN));
        let forwarded = lax.request(Method::POST, &path).header("highlander-hops", "1");
        let forwarded = forwarded.header("highlander-caller", "principal bob call:list");
        forwarded.send().await.problem("forbidden");
        lax.request(Method::POST, &path).send().await.problem("unauthenticated");
    }
    assert_eq!(cluster.client(owner).value(object).await, 1);
}

#[tokio::test]
async fn what_nodes_do_for_each_other_goes_on_with_tokens() {
    let (cluster, _tokens) = closed(&[]).await;
    let object = cluster.objects_on(1, "counter", 1).await.remove(0);
    assert_eq!(cluster.client(0).increment(&object).await, 1);
    // A listing of active objects queries every node.
    for node in 0..2 {
        let listed =
            cluster.client(node).get("/v1/objects/counter?active=true").send().await.done();
        let key = object.strip_prefix("counter/");
        assert_eq!(listed.json()["unanswered"], json!([]));
        assert!(
            listed.json()["keys"].as_array().unwrap().iter().any(|listed| *listed == json!(key))
        );
    }
    // A roll-out polls every node, and a rehearsal runs its share on every node.
    let rehearsed = cluster.client(0).request(Method::POST, "/v1/rehearsals");
    let guest = highlander_tests::artifacts::guest_bytes("counter-v2");
    let rehearsed = rehearsed.body(guest).send().await.done().json();
    assert_eq!(
        (&rehearsed["rehearsed"]["failed"], &rehearsed["is_done"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(cluster.client(0).deploy("counter-v2").await, 2);
    let drained = cluster.client(0).request(Method::POST, "/v1/nodes/n1/drain").send().await;
    assert_eq!(drained.done().json()["active_objects"], 0);
    wait::until("the other node owns it", async || cluster.owner_of(&object).await == 0).await;
    assert_eq!(cluster.client(1).value(&object).await, 1);
}
