//! Types that objects may call and send messages to: those that their deployer may call, as far as the configuration
//! permits them.

use highlander_tests::artifacts;
use highlander_tests::client::Client;
use highlander_tests::node::{Node, Options};
use highlander_tests::tokens::Tokens;
use highlander_tests::wait;
use reqwest::Method;
use serde_json::{Value, json};

/// Allows for slow compilation while many tests deploy at the same moment.
const COMPILE_TIME: (&str, &str) = ("sandbox.compile_time_max", "2m");

/// Starts a node that requires tokens, and returns it with the client of an administrator.
async fn closed(principals: &[(&str, &str)]) -> (Node, Tokens, Client) {
    let mut all = vec![("root", "call:*,deploy:*,admin")];
    all.extend(principals);
    let tokens = Tokens::new(&all).await;
    let list = tokens.list();
    let options = Options::new().with("auth.tokens_file", list.to_str().unwrap());
    let node = Node::start(options.with(COMPILE_TIME.0, COMPILE_TIME.1)).await;
    let root = node.client().with_token(Some(&tokens.of("root")));
    (node, tokens, root)
}

/// Makes `interacting/a` call `get` of an object, and returns the result.
async fn reach(client: &Client, handler: &str, type_name: &str) -> Value {
    let call = json!({ "type": type_name, "key": "b", "handler": "get" });
    client.call("interacting/a", handler).json(call).send().await.done().json()
}

#[track_caller]
fn is_refused(result: &Value, reasons: &[&str]) {
    assert_eq!(result["error"]["kind"], "refused", "{result}");
    assert_eq!(result["error"]["code"], "call-not-permitted", "{result}");
    let text = result["error"]["text"].as_str().unwrap();
    for reason in reasons {
        assert!(text.contains(reason), "{text}");
    }
}

#[tokio::test]
async fn an_object_calls_what_its_deployer_may_call_and_nothing_else() {
    let principals = [("ci", "deploy:interacting"), ("team", "deploy:interacting,call:todo")];
    let (mut node, tokens, root) = closed(&principals).await;
    let of = |node: &Node, name: &str| node.client().with_token(Some(&tokens.of(name)));
    root.deploy("todo").await;
    root.deploy("counter").await;
    assert_eq!(of(&node, "ci").deploy("interacting").await, 1);
    let why = ["objects of interacting may not call", "ci deployed revision 1", "call:todo"];
    for handler in ["call", "ask"] {
        is_refused(&reach(&root, handler, "todo").await, &why);
    }
    assert_eq!(root.tier("todo/b").await, "cold", "the object was not even activated");
    let unknown = reach(&root, "call", "nothing").await;
    is_refused(&unknown, &["the scope call:nothing"]);
    let own = reach(&root, "call", "interacting").await;
    assert_eq!(own["ok"]["chains"], 0, "{own}");

    // The same component with another limit is another revision.
    assert_eq!(of(&node, "team").deploy("interacting").await, 2);
    assert_eq!(of(&node, "team").deploy("interacting").await, 2, "a repetition");
    assert_eq!(reach(&root, "call", "todo").await["ok"]["completed"], false);
    is_refused(&reach(&root, "call", "counter").await, &["team deployed revision 2"]);

    node.restart().await;
    let root = of(&node, "root");
    assert_eq!(reach(&root, "call", "todo").await["ok"]["completed"], false);
    is_refused(&reach(&root, "call", "counter").await, &["team deployed revision 2"]);
    let shown = root.get("/v1/types/interacting").send().await.done().json();
    let limits: Vec<_> = (0..2).map(|index| &shown["revisions"][index]["may_call"]).collect();
    assert_eq!(limits, [&json!([]), &json!(["todo"])], "{shown}");
    assert_eq!(shown["configured_may_call"], json!(null), "{shown}");
    let root_file = tokens.file("root").to_str().unwrap().to_owned();
    let arguments = ["types", "interacting", "--token-file", &root_file];
    let printed = node.cli(&arguments).await.done().stdout;
    assert!(printed.contains("MAY CALL") && printed.contains(" todo "), "{printed}");

    let back = of(&node, "ci").request(Method::POST, "/v1/types/interacting/rollback");
    assert_eq!(back.send().await.done().json()["revision"], 1);
    is_refused(&reach(&root, "call", "todo").await, &["ci deployed revision 1"]);
}

#[tokio::test]
async fn a_message_leaves_only_if_the_revision_that_runs_then_may_send_it() {
    let (node, tokens, root) = closed(&[("ci", "deploy:list")]).await;
    let ci = node.client().with_token(Some(&tokens.of("ci")));
    assert_eq!(ci.deploy("list").await, 1);
    let allow = async || root.call("list/home", "allow_user").json(json!("root")).send().await;
    let problem = allow().await.problem("object-rejected");
    assert_eq!(problem["rejection"]["code"], "effect-invalid", "{problem}");
    let text = problem["rejection"]["message"].as_str().unwrap();
    for part in ["call-not-permitted", "was not sent", "the scope call:user"] {
        assert!(text.contains(part), "{text}");
    }

    // The type of the receiver does not exist yet, so the message stays with its sender.
    assert_eq!(root.deploy("list").await, 2);
    let _ = allow().await.done();
    let messages = async || root.get("/v1/objects/list/home/messages").send().await.done().json();
    let is_given_up = async |reason: &str| {
        wait::until("the message is given up", async || {
            let dead = messages().await["dead"].clone();
            dead[0]["why"].as_str().is_some_and(|why| why.contains(reason))
        })
        .await;
    };
    let retry = async || {
        let retry = root.request(Method::POST, "/v1/objects/list/home/messages/retry");
        assert_eq!(retry.send().await.done().json(), 1);
    };
    is_given_up("no component is deployed").await;
    let back = root.request(Method::POST, "/v1/types/list/rollback");
    assert_eq!(back.send().await.done().json()["revision"], 1);
    root.deploy("user").await;
    retry().await;
    is_given_up("may not call or message user").await;
    let user = async || root.state("user/root").await;
    assert_eq!(user().await.version(), 0, "it has received nothing");

    assert_eq!(root.deploy("list").await, 3);
    retry().await;
    wait::until("the message arrives", async || user().await.version() == 1).await;
    assert_eq!(user().await.json()["lists"], json!(["home"]));
}

#[tokio::test]
async fn the_configuration_narrows_what_an_object_may_call_and_never_widens_it() {
    let tokens = Tokens::new(&[("root", "call:*,deploy:*"), ("ci", "deploy:interacting")]).await;
    let list = tokens.list();
    let options = Options::new()
        .with("auth.tokens_file", list.to_str().unwrap())
        .with("types.interacting.may_call", "counter")
        .with(COMPILE_TIME.0, COMPILE_TIME.1);
    let node = Node::start(options).await;
    let of = |name: &str| node.client().with_token(Some(&tokens.of(name)));
    let root = of("root");
    for guest in ["counter", "todo", "interacting"] {
        root.deploy(guest).await;
    }
    assert_eq!(reach(&root, "call", "counter").await, json!({ "ok": { "value": 0 } }));
    let refused = reach(&root, "call", "todo").await;
    is_refused(&refused, &["types.interacting.may_call", "add todo to"]);
    assert_eq!(reach(&root, "call", "interacting").await["ok"]["chains"], 0);
    let shown = root.get("/v1/types/interacting").send().await.done().json();
    assert_eq!(shown["configured_may_call"], json!(["counter"]), "{shown}");
    assert_eq!(shown["revisions"][0]["may_call"], json!(["*"]), "{shown}");
    assert_eq!(of("ci").deploy("interacting").await, 2);
    is_refused(&reach(&root, "call", "counter").await, &["the scope call:counter"]);
}

/// Without tokens, every client may call every object anyway.
#[tokio::test]
async fn a_node_without_tokens_deploys_without_a_limit() {
    let options = Options::new().with(COMPILE_TIME.0, COMPILE_TIME.1);
    let node = Node::start_with(options, &["interacting", "todo"]).await;
    assert_eq!(reach(&node.client(), "call", "todo").await["ok"]["completed"], false);
    let shown = node.cli(&["types", "interacting", "--json"]).await.done().json();
    assert_eq!(shown["revisions"][0]["may_call"], json!(["*"]), "{shown}");
    let rehearsed = artifacts::guest("interacting");
    let _ = node.cli(&["rehearse", rehearsed.to_str().unwrap()]).await.done();
}
