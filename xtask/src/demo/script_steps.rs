//! Script of the demo, as data: the reason, the command line as typed, and the expected output.
//!
//! README.md has the same lines, and `cargo xtask tidy` compares them.

use crate::expect::Expect;
use crate::script::Step;

/// Action of a line.
#[derive(Clone, Copy)]
pub(super) enum Does {
    /// Builds the host, with progress.
    BuildHost,
    /// Builds these guests, with progress.
    BuildGuests(&'static [&'static str]),
    /// Nothing: lines run with the host in their path.
    FindHost,
    /// Starts the node with a new data folder, and waits until it is ready.
    StartNode,
    /// Kills the node, as in a crash.
    KillNode,
    /// Runs the line as it is.
    Run(Expect),
}

const fn run(why: &'static str, line: &'static str, expect: Expect) -> Step<Does> {
    Step { why, line, does: Does::Run(expect) }
}

/// State that the demo writes and must read back.
const HELLO: &str = r#"{"title":"Hello","completed":false,"color":"blue"}"#;

/// Steps of the script, in order.
pub(super) const STEPS: &[Step<Does>] = &[
    Step {
        why: "Build the host for one node. This takes minutes: the host contains a compiler for WebAssembly.",
        line: "cargo build --profile quick --package highlander --no-default-features --features embedded",
        does: Does::BuildHost,
    },
    Step {
        why: "Compile four objects to WebAssembly.",
        line: "cargo xtask build-guests counter todo counter-v2 todo-v2",
        does: Does::BuildGuests(&["counter", "todo", "counter-v2", "todo-v2"]),
    },
    Step {
        why: "Use the `highlander` that was just built.",
        line: r#"export PATH="$PWD/target/quick:$PATH""#,
        does: Does::FindHost,
    },
    Step {
        why: "Start a node with an embedded store.",
        line: "highlander dev &",
        does: Does::StartNode,
    },
    run(
        "Deploy the counter: it becomes the current revision of its type.",
        "highlander deploy target/guests/counter.wasm",
        Expect::Success,
    ),
    run("Deploy the todo too.", "highlander deploy target/guests/todo.wasm", Expect::Success),
    run(
        "Read a todo. It needs no explicit creation: it starts with its defaults.",
        "highlander get todo/42",
        Expect::Json(r#"{"title":"","completed":false,"color":"blue"}"#),
    ),
    run(
        "Change it. The response is sent once the change is in the store.",
        r#"highlander put todo/42 '{"title":"Hello","completed":false,"color":"blue"}'"#,
        Expect::Success,
    ),
    run("Read it.", "highlander get todo/42", Expect::Json(HELLO)),
    run(
        "Read it over HTTP.",
        "curl -fsS http://127.0.0.1:7410/v1/objects/todo/42",
        Expect::Json(HELLO),
    ),
    run(
        "Change another todo over HTTP.",
        r#"curl -fsS -X PUT http://127.0.0.1:7410/v1/objects/todo/43 --json '{"title":"Bread"}'"#,
        Expect::Success,
    ),
    run("Call a handler.", "highlander call counter/hits increment", Expect::Json("1")),
    run(
        "Call it over HTTP.",
        "curl -fsS -X POST http://127.0.0.1:7410/v1/objects/counter/hits/increment",
        Expect::Json("2"),
    ),
    run(
        "Show which node owns the counter.",
        "highlander where counter/hits",
        Expect::Mentions("epoch"),
    ),
    run(
        "Unload the todo: only its record in the store remains.",
        "highlander deactivate todo/42",
        Expect::Success,
    ),
    run("The next call loads it again.", "highlander get todo/42", Expect::Json(HELLO)),
    Step { why: "Crash the node.", line: "kill -9 $!", does: Does::KillNode },
    Step { why: "Start it again.", line: "highlander dev &", does: Does::StartNode },
    run("Every acknowledged change is still there.", "highlander get todo/42", Expect::Json(HELLO)),
    run(
        "Deploy the next revision of the counter. The node keeps running.",
        "highlander deploy target/guests/counter-v2.wasm",
        Expect::Success,
    ),
    run(
        "The same counter has a new handler, and keeps its state.",
        "highlander call counter/hits decrement",
        Expect::Json("1"),
    ),
    run("List the todos.", "highlander list todo", Expect::Mentions("43")),
    run(
        "Rehearse the next revision of the todo with the state of every todo. Nothing is changed.",
        "highlander rehearse target/guests/todo-v2.wasm",
        Expect::Mentions("2 objects passed the rehearsal"),
    ),
    run(
        "Deploy it to a tenth of the todos.",
        "highlander deploy target/guests/todo-v2.wasm --canary 10%",
        Expect::Mentions("for 10 % of the objects; revision 1 stays current"),
    ),
    run(
        "Deploy it to all todos.",
        "highlander deploy target/guests/todo-v2.wasm",
        Expect::Mentions("todo revision 2"),
    ),
    run(
        "Roll it back. Todos that it has changed stay on it.",
        "highlander rollback todo",
        Expect::Mentions("todo revision 1"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::check_expectations;

    #[test]
    fn a_node_is_started_before_it_is_used_or_killed() {
        let mut is_running = false;
        for step in STEPS {
            match step.does {
                Does::StartNode => is_running = true,
                Does::KillNode | Does::Run(_) => assert!(is_running, "{}", step.line),
                _ => {}
            }
            is_running &= !matches!(step.does, Does::KillNode);
        }
        assert!(is_running, "the demo must end with a running node");
    }

    #[test]
    fn guests_are_built_before_they_are_deployed() {
        let mut built: &[&str] = &[];
        for step in STEPS {
            if let Does::BuildGuests(packages) = step.does {
                built = packages;
                assert!(step.line.ends_with(&packages.join(" ")), "{}", step.line);
            }
            if let Some(rest) = step.line.strip_prefix("highlander deploy target/guests/") {
                let file = rest.split(' ').next().unwrap();
                assert!(built.iter().any(|package| file == format!("{package}.wasm")), "{file}");
            }
        }
    }

    #[test]
    fn expected_json_is_json() {
        let expected = STEPS.iter().filter_map(|step| match step.does {
            Does::Run(expect) => Some(expect),
            _ => None,
        });
        check_expectations(expected);
    }
}
