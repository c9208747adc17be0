//! The binary's commands: what they print where, and what they exit with.
//!
//! 0 done, 1 the object rejected the call, 2 wrong usage or environment, 3 nothing executed, 4 outcome unknown.

use highlander_tests::artifacts;
use highlander_tests::command::highlander;
use highlander_tests::node::Node;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

fn file(guest: &str) -> String {
    artifacts::guest(guest).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_command_does_its_work() {
    let node = Node::start(highlander_tests::node::Options::new()).await;
    let run = async |arguments: &[&str]| node.cli(arguments).await.done().stdout;
    assert_eq!(run(&["types"]).await, "");
    assert_eq!(run(&["deploy", &file("todo")]).await, "todo revision 1\n");
    assert_eq!(run(&["deploy", &file("counter")]).await, "counter revision 1\n");
    let types = run(&["types"]).await;
    assert!(types.contains("todo") && types.contains("counter"), "{types}");
    assert!(run(&["types", "todo"]).await.contains("complete"));

    assert_eq!(run(&["call", "counter/a", "increment"]).await, "1\n");
    assert_eq!(run(&["call", "counter/a", "add", "41"]).await, "42\n");
    assert_eq!(run(&["put", "todo/42", r#"{"title": "Hello"}"#]).await, "");
    assert_eq!(
        node.cli(&["get", "todo/42"]).await.done().json(),
        json!({ "title": "Hello", "completed": false, "color": "blue" })
    );
    assert_eq!(run(&["list", "counter"]).await, "a\n");
    assert_eq!(run(&["list", "counter", "--prefix", "b"]).await, "");
    assert_eq!(run(&["list", "counter", "--active"]).await, "a\n");
    assert!(run(&["where", "counter/a"]).await.contains("resident"));
    assert_eq!(run(&["deactivate", "counter/a"]).await, "");
    assert_eq!(run(&["list", "counter", "--active"]).await, "");
    assert!(run(&["where", "counter/a"]).await.contains("cold"));
    assert_eq!(run(&["delete", "counter/a"]).await, "");
    assert_eq!(run(&["call", "counter/a", "value"]).await, "0\n");
    assert!(run(&["nodes"]).await.contains("ready"));

    assert_eq!(run(&["types", "remove", "counter"]).await, "counter removed\n", "it has no object");
    assert!(!run(&["types"]).await.contains("counter"));
    let (refused, hint) = node.cli(&["types", "remove", "todo"]).await.error(2);
    let hint = hint.expect("there is a way");
    assert!(refused.contains("1 object") && hint.contains("--force"), "{refused} {hint}");
    let forced = node.cli(&["types", "remove", "todo", "--force"]).await.done();
    assert_eq!(forced.stdout, "todo removed\n");
    assert!(forced.stderr.contains("records of 1 objects are left"), "{}", forced.stderr);
    assert!(node.cli(&["types"]).await.done().stderr.contains("todo was removed"));
    assert_eq!(run(&["deploy", &file("todo")]).await, "todo revision 1\n");
    assert!(run(&["get", "todo/42"]).await.contains("Hello"));
}

#[tokio::test]
async fn json_is_what_the_node_sent() {
    let node = Node::with_guests(&["counter"]).await;
    let run = async |arguments: &[&str]| {
        let with_json = [&["--json"], arguments].concat();
        node.cli(&with_json).await.done().json()
    };
    assert_eq!(run(&["deploy", &file("counter")]).await["is_new"], false);
    assert_eq!(run(&["call", "counter/a", "increment"]).await, 1);
    assert_eq!(run(&["get", "counter/a"]).await, json!({ "value": 1 }));
    assert_eq!(run(&["list", "counter"]).await, "a");
    assert_eq!(run(&["where", "counter/a"]).await["version"], 1);
    assert_eq!(run(&["types"]).await["types"][0]["name"], "counter");
    assert_eq!(run(&["types", "counter"]).await["current"], 1);
    assert_eq!(run(&["nodes"]).await["nodes"][0]["state"], "ready");
    assert_eq!(run(&["deactivate", "counter/a"]).await["was_active"], true);
}

#[tokio::test]
async fn a_refusal_of_the_object_is_exit_code_1() {
    let node = Node::with_guests(&["counter", "misbehaving"]).await;
    let run = async |arguments: &[&str]| node.cli(arguments).await.error(1).0;
    assert!(
        run(&["call", "misbehaving/a", "reject_after_change"]).await.contains("told-to-reject")
    );
    assert!(run(&["call", "misbehaving/a", "trap"]).await.contains("[object-trapped]"));
    let stale = ["put", "counter/a", r#"{"value": 1}"#, "--if-match", "7"];
    assert!(run(&stale).await.contains("[version-mismatch]"));
}

#[tokio::test]
async fn wrong_usage_is_exit_code_2() {
    let node = Node::with_guests(&["counter"]).await;
    for (arguments, expected) in [
        (&["call", "counter", "increment"][..], "counter"),
        (&["call", "counter/a", "add", "{"], "not JSON"),
        (&["call", "counter/a", "add", "\"x\""], "[invalid-argument]"),
        (&["call", "counter/a", "no_such"], "[unknown-handler]"),
        (&["call", "nothing/a", "x"], "[unknown-type]"),
        (&["list", "nothing"], "[unknown-type]"),
        (&["types", "nothing"], "[unknown-type]"),
        (&["get", "counter/.."], "step in a path"),
        (&["deploy", "no-such-file.wasm"], "no-such-file.wasm"),
        (&["deploy", "Cargo.toml"], "no WebAssembly"),
        (&["deploy", &file("liar-describe")], "[component-refused]"),
        (&["delete", "counter/never"], "[object-not-found]"),
        (&["no-such-command"], "no-such-command"),
        (&["--url", "ftp://x", "nodes"], "ftp://x"),
        (&["dev", "--listen", "0.0.0.0:0"], "0.0.0.0"),
        (&["serve", "--config", "no-such.toml"], "no-such.toml"),
    ] {
        let ended = node.cli(arguments).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}: {}", ended.stderr);
        let start = ended.stderr.find("error: ").expect("an error");
        assert!(ended.stderr[start..].contains(expected), "{arguments:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn errors_say_what_to_do_next() {
    let node = Node::with_guests(&["counter"]).await;
    for (arguments, expected) in [
        (&["call", "nothing/a", "x"][..], "highlander deploy"),
        (&["call", "counter/a", "add", "text"], "quotes"),
    ] {
        let (message, hint) = node.cli(arguments).await.error(2);
        let hint = hint.unwrap_or_else(|| panic!("no hint beside {message:?}"));
        assert!(hint.contains(expected), "{hint}");
    }
}

#[tokio::test]
async fn no_node_is_exit_code_3() {
    // Nobody listens on a port that was just given back.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{address}");
    for arguments in [&["nodes"][..], &["call", "counter/a", "increment"], &["put", "todo/1", "{}"]]
    {
        let (message, hint) = highlander().url(&url).run(arguments).await.error(3);
        assert!(message.contains(&url) && hint.unwrap().contains("highlander dev"), "{message}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_exit_code_4_unless_it_only_read() {
    let (url, rude) = rude_server().await;
    let (_, hint) = highlander().url(&url).run(&["call", "counter/a", "increment"]).await.error(4);
    assert!(hint.unwrap().contains("--idempotency-key"));
    let _ = highlander().url(&url).run(&["get", "counter/a"]).await.error(3);
    rude.abort();
}

/// A server that reads a little of each request and hangs up.
async fn rude_server() -> (String, tokio::task::AbortHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let rude = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut some = [0; 1024];
            let _ = stream.read(&mut some).await;
        }
    });
    (url, rude.abort_handle())
}

#[tokio::test]
async fn what_to_do_without_an_answer_names_no_option_that_the_command_lacks() {
    let (url, rude) = rude_server().await;
    let file = artifacts::guest("counter");
    let file = file.to_str().unwrap();
    for (arguments, expected) in [
        (&["call", "counter/a", "increment"][..], "--idempotency-key"),
        (&["call", "counter/a", "increment", "--idempotency-key", "k"], "--idempotency-key k"),
        (&["put", "counter/a", "{}"], "highlander get counter/a"),
        (&["delete", "counter/a"], "highlander get counter/a"),
        (&["deploy", file], "--idempotency-key"),
        (&["rehearse", file], "repeat it"),
        (&["rollback", "counter"], "--to"),
        (&["rollback", "counter", "--to", "2"], "highlander types counter"),
        (&["deactivate", "counter/a"], "repeat it"),
        (&["resume", "counter/a"], "repeat it"),
        (&["messages", "counter/a", "--drop", "1"], "highlander messages counter/a"),
    ] {
        let (_, hint) = highlander().url(&url).run(arguments).await.error(4);
        let hint = hint.unwrap_or_else(|| panic!("no hint: {arguments:?}"));
        assert!(hint.contains(expected), "{arguments:?}: {hint}");
        let help = highlander().run(&[arguments[0], "--help"]).await.done().stdout;
        let is_option = |word: &&str| word.starts_with("--");
        for option in hint.split([' ', ':', ';', ',']).filter(is_option) {
            assert!(help.contains(option), "{} has no {option}: {hint}", arguments[0]);
        }
    }
    rude.abort();
}

#[tokio::test]
async fn a_deployment_that_was_not_answered_is_repeated_as_the_hint_says() {
    let (url, rude) = rude_server().await;
    let file = artifacts::guest("counter");
    let deploy = ["deploy", file.to_str().unwrap()];
    let (_, hint) = highlander().url(&url).run(&deploy).await.error(4);
    rude.abort();
    let hint = hint.expect("a hint");
    let key = hint.split("--idempotency-key ").nth(1).and_then(|rest| rest.split(':').next());
    let repeat = [&deploy[..], &["--idempotency-key", key.expect("a key")]].concat();
    let node = Node::start(highlander_tests::node::Options::new()).await;
    assert_eq!(node.cli(&repeat).await.done().stdout, "counter revision 1\n");
    assert_eq!(node.client().deploy("counter-v2").await, 2);
    let again = node.cli(&repeat).await.done();
    assert_eq!(again.stdout, "counter revision 1\n");
    assert!(again.stderr.contains("already"), "{}", again.stderr);
    let types = node.client().get("/v1/types/counter").send().await.done().json();
    assert_eq!((&types["current"], types["revisions"].as_array().unwrap().len()), (&2.into(), 2));
}

#[tokio::test]
async fn a_closed_pipe_is_success() {
    let node = Node::with_guests(&["counter"]).await;
    assert_eq!(node.client().increment("counter/a").await, 1);
    for arguments in
        [&["list", "counter"][..], &["types"], &["call", "counter/a", "value"], &["--help"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = highlander().url(node.url()).stdout(writer).run(arguments).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn an_argument_may_come_from_standard_input() {
    let node = Node::with_guests(&["counter"]).await;
    let add = async |input: &str| {
        highlander().url(node.url()).input(input).run(&["call", "counter/a", "add", "-"]).await
    };
    assert_eq!(add("41\n").await.done().stdout, "41\n");
    let _ = add("{").await.error(2);
    let _ = add(&format!("\"{}\"", "x".repeat(1 << 20))).await.error(2);
    assert_eq!(node.client().value("counter/a").await, 41);
}

#[tokio::test]
async fn a_repeated_call_says_that_it_is_one() {
    let node = Node::with_guests(&["counter"]).await;
    let arguments = ["call", "counter/a", "increment", "--idempotency-key", "k"];
    let first = node.cli(&arguments).await.done();
    assert_eq!((first.stdout.as_str(), first.stderr.as_str()), ("1\n", ""));
    let repeat = node.cli(&arguments).await.done();
    assert_eq!(repeat.stdout, "1\n");
    assert!(repeat.stderr.contains("earlier call"), "{}", repeat.stderr);
}

#[tokio::test]
async fn help_names_every_command_and_exit_code() {
    let help = highlander().run(&["--help"]).await.done().stdout;
    for word in [
        "dev",
        "serve",
        "new",
        "deploy",
        "types",
        "call",
        "get",
        "put",
        "delete",
        "list",
        "where",
        "deactivate",
        "nodes",
        "doctor",
        "Exit codes",
    ] {
        assert!(help.contains(word), "{word} in {help}");
    }
    let version = highlander().run(&["--version"]).await.done().stdout;
    assert!(version.starts_with("highlander "), "{version}");
}

#[tokio::test]
async fn doctor_examines_the_machine() {
    let node = Node::with_guests(&["counter"]).await;
    let ended = node.cli(&["doctor"]).await;
    assert!(matches!(ended.code, 0 | 2), "{ended:?}");
    assert!(!ended.stdout.is_empty(), "{ended:?}");
}
