//! The binary's commands: their outputs and exit codes.
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

    assert_eq!(
        run(&["types", "remove", "counter"]).await,
        "counter removed\n",
        "the type has no objects"
    );
    assert!(!run(&["types"]).await.contains("counter"));
    let (refused, hint) = node.cli(&["types", "remove", "todo"]).await.error(2);
    let hint = hint.expect("the error has a hint");
    assert!(refused.contains("1 object") && hint.contains("--force"), "{refused} {hint}");
    let forced = node.cli(&["types", "remove", "todo", "--force"]).await.done();
    assert_eq!(forced.stdout, "todo removed\n");
    assert!(forced.stderr.contains("records of 1 objects remain"), "{}", forced.stderr);
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
    assert_eq!(run(&["types"]).await["name"], "counter");
    assert_eq!(run(&["types", "counter"]).await["current"], 1);
    assert_eq!(run(&["nodes"]).await["status"], "ready");
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
        (&["deploy", &file("counter"), "--canary", "10"], "percent sign"),
        (&["deploy", "no-such-file.wasm"], "no-such-file.wasm"),
        (&["deploy", "Cargo.toml"], "not a WebAssembly file"),
        (&["deploy", &file("malformed-describe")], "[component-refused]"),
        (&["delete", "counter/never"], "[object-not-found]"),
        (&["no-such-command"], "no-such-command"),
        (&["--url", "ftp://x", "nodes"], "ftp://x"),
        (&["--url", "https://x", "nodes"], "TLS"),
        (&["--url", "127.0.0.1:1", "nodes"], "lacks http:// in front"),
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
        (&["call", "counter/a", "incremnt"], "highlander types counter"),
        (&["call", "counter/a", "add", "{}"], "highlander types counter"),
        (&["--url", "127.0.0.1:1", "nodes"], "--url http://127.0.0.1:1"),
        (&["deploy", &file("counter"), "--canary", "10"], "--canary 10%"),
    ] {
        let (message, hint) = node.cli(arguments).await.error(2);
        let hint = hint.unwrap_or_else(|| panic!("no hint for {message:?}"));
        assert!(hint.contains(expected), "{hint}");
    }
}

#[tokio::test]
async fn no_node_is_exit_code_3() {
    // No process listens on a port that was just released.
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

/// Starts a server that reads a part of each request and disconnects.
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
        (&["rehearse", file], "repeat the command"),
        (&["rollback", "counter"], "--idempotency-key"),
        (&["rollback", "counter", "--to", "2"], "--idempotency-key"),
        (&["rollback", "counter", "--idempotency-key", "k"], "--idempotency-key k"),
        (&["deactivate", "counter/a"], "repeat the command"),
        (&["resume", "counter/a"], "repeat the command"),
        (&["messages", "counter/a", "--drop", "1"], "highlander messages counter/a"),
        (&["messages", "counter/a", "--retry", "all"], "highlander messages counter/a"),
        (&["alarms", "counter/a", "--drop", "1"], "highlander alarms counter/a"),
        (&["alarms", "counter/a", "--retry", "all"], "highlander alarms counter/a"),
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
async fn a_roll_back_that_was_not_answered_is_repeated_as_the_hint_says() {
    let (url, rude) = rude_server().await;
    let back = ["rollback", "counter"];
    let (_, hint) = highlander().url(&url).run(&back).await.error(4);
    rude.abort();
    let hint = hint.expect("a hint");
    let key = hint.split("--idempotency-key ").nth(1).and_then(|rest| rest.split(':').next());
    let repeat = [&back[..], &["--idempotency-key", key.expect("a key")]].concat();
    let node = Node::with_guests(&["counter", "counter-v2"]).await;
    assert_eq!(node.cli(&repeat).await.done().stdout, "counter revision 1\n");
    let again = node.cli(&repeat).await.done();
    assert_eq!(again.stdout, "counter revision 1\n");
    assert!(again.stderr.contains("already"), "{}", again.stderr);
    let (text, _) = node.cli(&back).await.error(2);
    assert!(text.contains("no older revision"), "another key rolls back further: {text}");
    let (text, _) = node.cli(&[&repeat[..], &["--to", "1"]].concat()).await.error(2);
    assert!(text.contains("idempotency key"), "{text}");
}

#[tokio::test]
async fn a_closed_pipe_is_success() {
    let node = Node::with_guests(&["counter"]).await;
    assert_eq!(node.client().increment("counter/a").await, 1);
    for arguments in [
        &["list", "counter"][..],
        &["types"],
        &["types", "counter"],
        &["nodes"],
        &["call", "counter/a", "value"],
        &["watch", "counter/a"],
        &["completions", "bash"],
        &["help"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = highlander().url(node.url()).stdout(writer).run(arguments).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn watching_ends_with_its_reader_though_nothing_happens() {
    let node = Node::with_guests(&["counter"]).await;
    assert_eq!(node.client().increment("counter/a").await, 1);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let watching = highlander().url(node.url()).stdout(writer).run(&["watch", "counter/a"]);
    let reading = tokio::task::spawn_blocking(move || {
        // As `head -1` does: reads some output and closes the pipe.
        let mut first = [0; 1];
        std::io::Read::read_exact(&mut reader, &mut first).unwrap();
        first
    });
    let (ended, first) = tokio::join!(watching, reading);
    assert_eq!((ended.code, ended.stderr.as_str(), first.unwrap()), (0, "", *b"1"));
}

#[tokio::test]
async fn a_canary_names_its_objects() {
    let node = Node::with_guests(&["counter"]).await;
    let deploy = async |more: &[&str]| {
        let file = file("counter-v2");
        let arguments = [&["deploy", file.as_str()], more].concat();
        node.cli(&arguments).await.done().stdout
    };
    assert_eq!(
        deploy(&["--canary", "10%"]).await,
        "counter revision 2 for 10 % of the objects; revision 1 stays current\n"
    );
    assert_eq!(
        deploy(&["--canary-key", "10"]).await,
        "counter revision 2 for the object 10; revision 1 stays current\n"
    );
    let types = node.cli(&["types", "counter"]).await.done().stdout;
    assert!(types.contains("counter revision 1"), "{types}");
    assert_eq!(deploy(&[]).await, "counter revision 2\n");
}

#[tokio::test]
async fn keys_that_look_like_steps_of_a_path_are_reached() {
    let node = Node::with_guests(&["counter"]).await;
    let run = async |arguments: &[&str]| node.cli(arguments).await.done().stdout;
    for (key, count) in [(".", "1\n"), ("..", "2\n"), ("a/../b", "3\n")] {
        let id = format!("counter/{key}");
        assert_eq!(run(&["call", &id, "add", count.trim()]).await, count);
        assert_eq!(run(&["call", &id, "value"]).await, count);
        let state = format!("{{\"value\":{}}}\n", count.trim());
        assert_eq!(run(&["get", &id]).await, state);
        assert!(run(&["where", &id]).await.contains(&id));
    }
    let mut listed: Vec<_> = run(&["list", "counter"]).await.lines().map(str::to_owned).collect();
    listed.sort_unstable();
    assert_eq!(listed, [".", "..", "a/../b"]);
    assert_eq!(run(&["delete", "counter/.."]).await, "");
    assert_eq!(run(&["call", "counter/..", "value"]).await, "0\n");
}

#[tokio::test]
async fn empty_variables_count_as_unset() {
    let node = Node::with_guests(&["counter"]).await;
    for name in ["HIGHLANDER_TOKEN_FILE", "HIGHLANDER_LOG_FORMAT", "HIGHLANDER_NODE__LISTEN"] {
        let run = highlander().url(node.url()).variable(name, "");
        assert!(run.run(&["types"]).await.done().stdout.contains("counter"), "{name}");
    }
    // No process uses port 1. An error that names it proves that the default, 7410, was not used; it may be in
    // use.
    let run = highlander().url("").run(&["types", "--url", "http://127.0.0.1:1"]);
    let (message, _) = run.await.error(3);
    assert!(message.contains("127.0.0.1:1"), "{message}");
    let options = highlander_tests::node::Options::new()
        .with("objects.idle_timeout", "")
        .with_variable("HIGHLANDER_LOG_FORMAT", "");
    let started = Node::start(options).await;
    assert_eq!(started.cli(&["types"]).await.done().stdout, "");
}

#[tokio::test]
async fn negative_numbers_are_arguments() {
    let node = Node::with_guests(&["counter"]).await;
    let (message, _) = node.cli(&["call", "counter/a", "add", "-5"]).await.error(2);
    assert!(message.contains("[invalid-argument]"), "the call must reach the node: {message}");
}

#[tokio::test]
async fn a_type_is_shown_with_what_its_handlers_take() {
    let node = Node::with_guests(&["counter", "todo", "list"]).await;
    let shown = async |name: &str| node.cli(&["types", name]).await.done().stdout;
    let row = |text: &str, handler: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{handler} ")));
        let line = line.unwrap_or_else(|| panic!("no {handler} in {text}"));
        line.split("  ")
            .filter(|cell| !cell.is_empty())
            .map(|cell| cell.trim().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(row(&shown("counter").await, "add")[..4], ["add", "update", "integer", "integer"]);
    let put = row(&shown("todo").await, "put");
    assert!(put[2].contains("title?: string") && put[2].contains("\"blue\""), "{put:?}");
}

#[tokio::test]
async fn help_is_a_command_too() {
    let help = async |arguments: &[&str]| highlander().run(arguments).await.done().stdout;
    assert_eq!(help(&["help"]).await, help(&["--help"]).await);
    assert_eq!(help(&["help", "call"]).await, help(&["call", "--help"]).await);
}

#[tokio::test]
async fn shells_accept_their_completions() {
    // fish writes the name of an option without its dashes.
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = highlander().run(&["completions", shell]).await.done().stdout;
        assert!(script.contains("canary-key"), "{shell}");
    }
    let script = highlander().run(&["completions", "bash"]).await.done().stdout;
    let asked = "COMP_WORDS=(highlander de); COMP_CWORD=1; _highlander highlander de highlander; \
                 echo \"${COMPREPLY[@]}\"";
    let mut bash = std::process::Command::new("bash");
    bash.args(["-c", &format!("{script}\n{asked}")]);
    let ended =
        highlander_tests::command::run(bash, &[], std::process::Stdio::piped()).await.done();
    for command in ["deploy", "delete", "deactivate"] {
        assert!(ended.stdout.contains(command), "{}", ended.stdout);
    }
}

#[tokio::test]
async fn errors_name_what_there_is() {
    let node = Node::with_guests(&["counter", "reminder"]).await;
    let (message, _) = node.cli(&["call", "counter/a", "incremnt"]).await.error(2);
    assert!(message.starts_with("counter has no handler \"incremnt\"; it has "), "{message}");
    assert!(message.contains("increment") && message.contains("get"), "{message}");
    let (message, _) = node.cli(&["put", "reminder/ada", "{}"]).await.error(2);
    assert!(
        message.starts_with("reminder does not allow put: its author turned it off"),
        "{message}"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_suggests_another_one() {
    let node = Node::start(highlander_tests::node::Options::new()).await;
    let address = node.url().trim_start_matches("http://");
    let folder = tempfile::tempdir().unwrap();
    let ended = highlander().run_in(folder.path(), &["dev", "--listen", address]).await;
    let (message, hint) = ended.error(2);
    assert!(message.contains(address), "{message}");
    assert!(hint.unwrap().contains("--listen 127.0.0.1:0"));
}

#[tokio::test]
async fn a_developers_node_tells_what_a_panic_said() {
    let node = Node::with_guests(&["misbehaving"]).await;
    let (message, _) = node.cli(&["call", "misbehaving/a", "trap"]).await.error(1);
    assert!(message.contains("its code trapped: "), "{message}");
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
