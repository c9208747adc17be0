//! The page of `example-objects/web` in a real browser: windows of several people, who see each other's changes.
//!
//! `cargo xtask test` installs Chromium. `HIGHLANDER_PICTURE=FILE` writes a screenshot of two windows side by
//! side.

use std::path::Path;

use highlander_tests::artifacts;
use highlander_tests::browser::{Browser, Window};
use highlander_tests::node::{Node, Options};
use highlander_tests::tokens::Tokens;
use serde_json::{Value, json};

/// Each todo of the page: its title, and whether it is completed.
const TODOS: &str = "[...document.querySelectorAll('#todos li')].map((todo) => \
     [todo.querySelector('[type=text]').value, todo.classList.contains('done')])";
const CONNECTION: &str = "document.getElementById('connection').textContent";
const PROBLEM: &str = "document.getElementById('problem').textContent";
const USERS: &str = "[...document.querySelectorAll('#users li')].map((user) => user.textContent)";

/// Starts a node that serves the page. ada and bob may change the list; eve may not.
async fn node_with_list() -> (Node, Tokens) {
    let scopes = "call:list,call:todo,call:user";
    let principals = [
        ("ops", "deploy:*,call:todo,call:user"),
        ("ada", scopes),
        ("bob", scopes),
        ("eve", scopes),
    ];
    let tokens = Tokens::new(&principals).await;
    let page = artifacts::repository().join("example-objects/web");
    let options = Options::new()
        .with("auth.tokens_file", tokens.list().to_str().unwrap())
        .with_argument("--web")
        .with_argument(page.to_str().unwrap());
    let node = Node::start(options).await;
    let ops = node.client().with_token(Some(&tokens.of("ops")));
    for guest in ["user", "todo", "list"] {
        ops.deploy(guest).await;
    }
    let ada = node.client().with_token(Some(&tokens.of("ada")));
    for user in ["ada", "bob"] {
        let _ = ada.call("list/home", "allow_user").json(json!(user)).send().await.done();
    }
    (node, tokens)
}

/// Opens the page as this user, and enters the user's token.
async fn window(browser: &mut Browser, node: &Node, tokens: &Tokens, user: &str) -> Window {
    let mut window = browser.open(&format!("{}/web/?list=home&user={user}", node.url())).await;
    // The page is empty until its script has run.
    window.shows("typeof document.getElementById('sign-in').onsubmit", json!("function")).await;
    window.resize(760, 460).await;
    let token = json!(tokens.of(user));
    submit(&mut window, "sign-in", &token).await;
    window.shows("sessionStorage.getItem('token')", token).await;
    window.shows(USERS, json!(["ada", "bob"])).await;
    window.shows(CONNECTION, json!("live")).await;
    window
}

/// Types a text into a form, and submits it.
async fn submit(window: &mut Window, form: &str, text: &Value) {
    let form = format!("document.getElementById('{form}')");
    let typed =
        format!("{form}.elements[0].value = {text}; {form}.querySelector('button').click()");
    window.eval(&typed).await;
}

async fn both_show(windows: &mut [Window; 2], todos: Value) {
    for window in windows {
        window.shows(TODOS, todos.clone()).await;
    }
}

#[tokio::test]
async fn people_see_on_a_page_what_others_do() {
    let Some(mut browser) = Browser::start().await else { return };
    let (mut node, tokens) = node_with_list().await;
    let mut people = [
        window(&mut browser, &node, &tokens, "ada").await,
        window(&mut browser, &node, &tokens, "bob").await,
    ];

    submit(&mut people[0], "add", &json!("Bread <b>")).await;
    both_show(&mut people, json!([["Bread <b>", false]])).await;
    people[1].eval("document.querySelector('#todos [type=checkbox]').click()").await;
    both_show(&mut people, json!([["Bread <b>", true]])).await;

    let version = || async {
        let ada = node.client().with_token(Some(&tokens.of("ada")));
        ada.state("list/home").await.done().version()
    };
    let before = version().await;
    let mut eve = window(&mut browser, &node, &tokens, "eve").await;
    submit(&mut eve, "add", &json!("Cake")).await;
    eve.shows(PROBLEM, json!("eve may not change list/home")).await;
    assert_eq!(version().await, before);
    for window in people.iter_mut().chain([&mut eve]) {
        assert_eq!(window.eval(TODOS).await, json!([["Bread <b>", true]]));
    }

    node.kill9();
    for window in &mut people {
        window.shows(CONNECTION, json!("connecting")).await;
    }
    node.restart_in_place().await;
    for window in &mut people {
        window.shows(CONNECTION, json!("live")).await;
    }
    submit(&mut people[1], "add", &json!("Milk")).await;
    both_show(&mut people, json!([["Bread <b>", true], ["Milk", false]])).await;
    if let Some(path) = std::env::var_os("HIGHLANDER_PICTURE") {
        draw(&mut browser, &mut people, Path::new(&path)).await;
    }
}

/// Draws the windows side by side.
async fn draw(browser: &mut Browser, windows: &mut [Window; 2], path: &Path) {
    let mut images = String::new();
    for window in windows {
        let picture = window.picture().await;
        images += &format!("<img src='data:image/png;base64,{picture}'>");
    }
    let mut sheet = browser.open("about:blank").await;
    sheet.resize(1540, 460).await;
    let style = "margin: 0; display: flex; justify-content: space-between; background: #888";
    sheet.eval(&format!("document.body.style = {}", json!(style))).await;
    sheet.eval(&format!("document.body.innerHTML = {}", json!(images))).await;
    sheet.eval("Promise.all([...document.images].map((image) => image.decode()))").await;
    sheet.save_picture(path).await;
}
