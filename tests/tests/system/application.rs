//! The example objects together, as one application: users, their shared lists of todos, reminders, and a chat
//! room.

use highlander_tests::client::Client;
use highlander_tests::node::{Node, Options};
use highlander_tests::tokens::Tokens;
use highlander_tests::wait;
use reqwest::Method;
use serde_json::{Value, json};

const GUESTS: [&str; 5] = ["chat-room", "list", "reminder", "todo", "user"];

/// Starts a node that runs the application, and returns clients of ada and bob.
async fn application() -> (Node, Client, Client) {
    let tokens = Tokens::new(&[("ada", "call:*,deploy:*"), ("bob", "call:*")]).await;
    let options = Options::new().with("auth.tokens_file", tokens.list().to_str().unwrap());
    let node = Node::start(options).await;
    let as_one = |name: &str| node.client().with_token(Some(&tokens.of(name)));
    let (ada, bob) = (as_one("ada"), as_one("bob"));
    for guest in GUESTS {
        ada.deploy(guest).await;
    }
    (node, ada, bob)
}

async fn call(client: &Client, object: &str, handler: &str, argument: Value) -> Value {
    client.call(object, handler).json(argument).send().await.done().json()
}

async fn put_todo(client: &Client, key: &str, title: &str) {
    let put = client.object(Method::PUT, &format!("todo/{key}")).json(json!({ "title": title }));
    let _ = put.send().await.done();
}

#[tokio::test]
async fn a_shared_todo_is_one_object_on_every_list() {
    let (_node, ada, _) = application().await;
    put_todo(&ada, "milk", "buy milk").await;
    for list in ["list/home", "list/shop"] {
        call(&ada, list, "insert_todo", json!({ "todo": "milk" })).await;
    }
    let entry = |is_done| json!([{ "todo": "milk", "title": "buy milk", "completed": is_done }]);
    assert_eq!(call(&ada, "list/shop", "overview", json!(null)).await, entry(false));
    call(&ada, "list/home", "complete", json!("milk")).await;
    assert_eq!(call(&ada, "list/shop", "overview", json!(null)).await, entry(true));
    assert_eq!(call(&ada, "todo/milk", "is_done", json!(null)).await, true);
}

#[tokio::test]
async fn a_later_revision_of_the_todo_is_called_by_the_same_list() {
    let (_node, ada, _) = application().await;
    put_todo(&ada, "milk", "buy milk").await;
    call(&ada, "list/home", "insert_todo", json!({ "todo": "milk" })).await;
    ada.deploy("todo-v2").await;
    call(&ada, "todo/milk", "note", json!("the fresh one")).await;
    let overview = json!([{ "todo": "milk", "title": "buy milk", "completed": false }]);
    assert_eq!(call(&ada, "list/home", "overview", json!(null)).await, overview);
}

#[tokio::test]
async fn a_user_hears_that_a_list_is_shared() {
    let (_node, ada, bob) = application().await;
    put_todo(&ada, "milk", "buy milk").await;
    call(&ada, "list/home", "allow_user", json!("ada")).await;
    let insert = bob.call("list/home", "insert_todo").json(json!({ "todo": "milk" }));
    let refused = insert.send().await.problem("object-rejected");
    assert_eq!(refused["rejection"]["code"], "not-allowed");
    call(&ada, "list/home", "allow_user", json!("bob")).await;
    wait::until("bob knows the list", async || {
        call(&bob, "user/bob", "knows_list", json!("home")).await == true
    })
    .await;
    call(&bob, "list/home", "insert_todo", json!({ "todo": "milk" })).await;
    // Only a list may make this call; a principal cannot forge it.
    let forged = bob.call("user/ada", "list_shared").send().await.problem("object-rejected");
    assert_eq!(forged["rejection"]["code"], "not-a-list");
}

#[tokio::test]
async fn a_reminder_tells_its_user() {
    let (_node, ada, _) = application().await;
    let tea = json!({ "name": "tea", "user": "ada", "text": "tea is ready", "at_ms": 0 });
    call(&ada, "reminder/kitchen", "once", tea).await;
    let notices = async || ada.state("user/ada").await.json()["notices"].clone();
    wait::until("ada received the notice", async || notices().await != json!([])).await;
    let told = notices().await;
    assert_eq!(
        (&told[0]["by"], &told[0]["text"]),
        (&json!("reminder/kitchen"), &json!("tea is ready"))
    );
    assert_eq!(call(&ada, "reminder/kitchen", "due", json!(null)).await, json!({}));

    let walk = json!({ "name": "walk", "user": "ada", "text": "get up", "every_s": 1 });
    call(&ada, "reminder/kitchen", "repeat", walk).await;
    wait::until("ada received two more notices", async || {
        notices().await.as_array().is_some_and(|told| told.len() >= 3)
    })
    .await;
    call(&ada, "reminder/kitchen", "cancel", json!("walk")).await;
    assert_eq!(call(&ada, "reminder/kitchen", "due", json!(null)).await, json!({}));
}

#[tokio::test]
async fn a_room_keeps_each_text_and_its_author() {
    let (_node, ada, bob) = application().await;
    assert_eq!(call(&ada, "chat-room/kitchen", "say", json!("hello")).await, 1);
    assert_eq!(call(&bob, "chat-room/kitchen", "say", json!("hello, ada")).await, 2);
    let said = call(&ada, "chat-room/kitchen", "history", json!(1)).await;
    assert_eq!(said.as_array().unwrap().len(), 1);
    assert_eq!((&said[0]["by"], &said[0]["text"]), (&json!("bob"), &json!("hello, ada")));
}
