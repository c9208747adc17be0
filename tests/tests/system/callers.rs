//! Authorization at a node that requires tokens, over HTTP and on the command line.

use std::process::{Command, Stdio};

use highlander_tests::artifacts;
use highlander_tests::command::{self, Ended, highlander};
use highlander_tests::node::{Node, Options};
use highlander_tests::tokens::{self, Tokens};
use highlander_tests::wait;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;

/// Starts a node with tokens for these principals.
async fn closed(principals: &[(&str, &str)]) -> (Node, Tokens) {
    let tokens = Tokens::new(principals).await;
    let list = tokens.list();
    let options = Options::new().with("auth.tokens_file", list.to_str().unwrap());
    (Node::start(options).await, tokens)
}

/// Runs a command with a principal's token, or without one.
async fn cli(node: &Node, tokens: &Tokens, name: Option<&str>, arguments: &[&str]) -> Ended {
    let file = name.map(|name| tokens.file(name).to_str().unwrap().to_owned());
    let mut whole = arguments.to_vec();
    if let Some(file) = &file {
        whole.extend(["--token-file", file]);
    }
    node.cli(&whole).await
}

#[tokio::test]
async fn each_command_takes_a_token_that_is_good_for_it() {
    let principals =
        [("ci", "deploy:counter"), ("ada", "call:counter"), ("root", "admin,deploy:*")];
    let (node, tokens) = closed(&principals).await;
    let (counter, todo) = (artifacts::guest("counter"), artifacts::guest("todo"));
    let (counter, todo) = (counter.to_str().unwrap(), todo.to_str().unwrap());
    let refused = async |name, arguments: &[&str], code: &str| {
        let (message, hint) = cli(&node, &tokens, name, arguments).await.error(2);
        assert!(message.ends_with(&format!("[{code}]")), "{arguments:?}: {message}");
        assert!(hint.is_some_and(|hint| hint.contains("--token-file")), "{arguments:?}");
    };
    let done = async |name, arguments: &[&str]| {
        cli(&node, &tokens, Some(name), arguments).await.done().stdout
    };
    refused(None, &["deploy", counter], "unauthenticated").await;
    refused(Some("ada"), &["deploy", counter], "forbidden").await;
    refused(Some("ci"), &["deploy", todo], "forbidden").await;
    refused(Some("ci"), &["rehearse", todo], "forbidden").await;
    assert_eq!(done("ci", &["deploy", counter]).await, "counter revision 1\n");
    refused(Some("ci"), &["types", "todo"], "forbidden").await;
    refused(None, &["call", "counter/a", "increment"], "unauthenticated").await;
    refused(Some("ci"), &["call", "counter/a", "increment"], "forbidden").await;
    assert_eq!(done("ada", &["call", "counter/a", "increment"]).await, "1\n");
    refused(Some("ada"), &["deactivate", "counter/a"], "forbidden").await;
    refused(Some("ada"), &["nodes"], "forbidden").await;
    refused(Some("ada"), &["drain", "n"], "forbidden").await;
    for arguments in [&["nodes"][..], &["deactivate", "counter/a"], &["where", "counter/a"]] {
        let _ = done("root", arguments).await;
    }
    let next = artifacts::guest("counter-v2");
    done("root", &["deploy", next.to_str().unwrap()]).await;
    let shown = cli(&node, &tokens, Some("ci"), &["types", "counter", "--json"]).await.done();
    let revisions = &shown.json()["revisions"];
    assert_eq!(
        (&revisions[0]["deployed_by"], &revisions[1]["deployed_by"]),
        (&json!("ci"), &json!("root"))
    );
}

#[tokio::test]
async fn an_object_decides_by_who_calls() {
    let (node, tokens) = closed(&[("ada", "call:*,deploy:*"), ("bob", "call:list")]).await;
    let as_one = |name: &str| node.client().with_token(Some(&tokens.of(name)));
    let (ada, bob) = (as_one("ada"), as_one("bob"));
    ada.deploy("list").await;
    let _ = ada.call("list/home", "allow_user").json(json!("ada")).send().await.done();
    let insert = json!({ "todo": "milk" });
    let refused = bob.call("list/home", "insert_todo").json(insert.clone()).send().await;
    assert_eq!(refused.problem("object-rejected")["rejection"]["code"], "not-allowed");
    let _ = ada.call("list/home", "insert_todo").json(insert).send().await.done();
    assert_eq!(bob.call("list/home", "todos").send().await.done().json(), json!(["milk"]));
    // A client cannot claim the identity of another caller.
    let forged = bob.call("list/home", "remove_todo").json(json!("milk"));
    let forged = forged.header("highlander-caller", "principal ada call:*").send().await;
    forged.problem("unauthenticated");
    assert_eq!(bob.call("list/home", "todos").send().await.done().json(), json!(["milk"]));
}

#[tokio::test]
async fn health_is_told_to_everybody_and_figures_to_some() {
    let (node, tokens) = closed(&[("scraper", "metrics")]).await;
    let client = node.client();
    for path in ["/healthz", "/readyz", "/", "/problems/forbidden"] {
        let _ = client.get(path).send().await.done();
    }
    let refused = client.get("/metrics").send().await;
    refused.problem("unauthenticated");
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    let scraper = node.client().with_token(Some(&tokens.of("scraper")));
    let _ = scraper.get("/metrics").send().await.done();
    scraper.get("/v1/nodes").send().await.problem("forbidden");
}

#[tokio::test]
async fn tokens_are_read_again_when_the_node_is_told_to() {
    let (node, tokens) = closed(&[("old", "admin")]).await;
    let old = node.client().with_token(Some(&tokens.of("old")));
    let nodes = async |client: &highlander_tests::client::Client| {
        client.get("/v1/nodes").send().await.status
    };
    assert_eq!(nodes(&old).await, 200);
    tokens::private(tokens.list(), "hunter2");
    node.signal(Signal::HUP);
    let has_said = async |words: &str| {
        wait::until(words, async || node.log().iter().any(|line| line.contains(words))).await;
    };
    has_said("the tokens remain unchanged").await;
    assert_eq!(nodes(&old).await, 200);
    tokens.write(&[("new", "admin")]).await;
    node.signal(Signal::HUP);
    has_said("1 tokens read").await;
    assert_eq!(nodes(&old).await, 401);
    assert_eq!(nodes(&node.client().with_token(Some(&tokens.of("new")))).await, 200);
    let log = node.log().join("\n");
    for secret in ["hunter2", &tokens.of("new")] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn a_file_of_tokens_that_is_wrong_is_refused_by_its_line() {
    let tokens = Tokens::new(&[("ada", "admin")]).await;
    let whole = std::fs::read_to_string(tokens.list()).unwrap();
    tokens::private(tokens.list(), &format!("{whole}bob hunter2 admin\n"));
    let options = Options::new().with("auth.tokens_file", tokens.list().to_str().unwrap());
    let mut command = Command::new(artifacts::binary());
    command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(tokens.file("data"));
    command::clear_environment(&mut command);
    options.apply(&mut command);
    let ended = command::run(command, &[], Stdio::piped()).await;
    let (message, hint) = ended.error(2);
    assert!(message.contains("tokens.list, line 3: "), "{message}");
    assert!(!ended.stderr.contains("hunter2") && hint.is_some(), "{}", ended.stderr);
}

#[tokio::test]
async fn a_token_is_made_with_its_line() {
    let made = highlander().run(&["token", "ci", "--scopes", "deploy:todo", "--json"]).await.done();
    let (token, line) = (made.json()["token"].clone(), made.json()["line"].clone());
    assert!(token.as_str().unwrap().starts_with("hl_"), "{token}");
    let words: Vec<_> = line.as_str().unwrap().split(' ').map(str::to_owned).collect();
    assert_eq!((words.len(), &*words[0], &*words[2]), (3, "ci", "deploy:todo"));
    let again = highlander().run(&["token", "ci", "--scopes", "deploy:todo", "--json"]).await;
    assert_ne!(again.done().json()["token"], token);
    let (message, _) =
        highlander().run(&["token", "anonymous", "--scopes", "admin"]).await.error(2);
    assert!(message.contains("anonymous"), "{message}");
}

#[tokio::test]
async fn a_list_of_types_is_built_once_and_sent_only_if_it_has_changed() {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    let built = async || client.metric("highlander_documents_built_total").await.to_string();
    for path in ["/v1/types", "/v1/types/counter", "/v1/openapi.json", "/v1/openapi-admin.json"] {
        let first = client.get(path).send().await.done();
        let tag = first.header("etag");
        let before = built().await;
        let again = client.get(path).header("if-none-match", tag).send().await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(client.get(path).send().await.done().body, first.body, "{path}");
        assert_eq!(built().await, before, "{path} was built again");
    }
    let before = client.get("/v1/types").send().await.done();
    client.deploy("counter-v2").await;
    let changed = client.get("/v1/types").header("if-none-match", before.header("etag"));
    assert_eq!(changed.send().await.done().json()["types"][0]["current"], 2);
}

/// Without a token file, every caller may do everything and is anonymous.
#[tokio::test]
async fn a_node_without_tokens_lets_everybody_in() {
    let node = Node::with_guests(&["list"]).await;
    let client = node.client().with_token(Some("whatever"));
    let shown = client.get("/v1/types/list").send().await.done().json();
    assert_eq!(shown["revisions"][0]["deployed_by"], "anonymous");
    let allow = client.call("list/home", "allow_user").json(json!("anonymous")).send().await;
    assert_eq!(allow.problem("object-rejected")["rejection"]["code"], "locked-out");
    let forged = client.object(Method::GET, "list/home");
    let forged = forged.header("highlander-caller", "principal ada call:*").send().await;
    forged.problem("unauthenticated");
}
