//! Script of the cluster, as data: the reason, the command line as typed, and the expected output.
//!
//! README.md has the same lines, and `cargo xtask tidy` compares them. The owner of an object differs from run to
//! run. In the script `node-2` is the first owner of the counter and `node-3` the second; the runner replaces them
//! by the real ones.

use crate::expect::Expect;
use crate::script::Step;

/// Folder of the nodes' files, as in the script.
pub(super) const FOLDER: &str = "target/cluster";

/// Action and check of a line.
#[derive(Clone, Copy)]
pub(super) enum Does {
    /// Nothing: lines run with the host in their path.
    FindHost,
    /// Runs the line as it is.
    Run(Expect),
    /// Runs the line, which must print the counter's owner. That node takes the role of this number.
    NameOwner(usize),
    /// Kills the node of this number, as in a crash.
    Kill(usize),
}

const fn run(why: &'static str, line: &'static str, expect: Expect) -> Step<Does> {
    Step { why, line, does: Does::Run(expect) }
}

/// Object of the script.
pub(super) const OBJECT: &str = "counter/hits";

/// Steps of the script, in order.
pub(super) const STEPS: &[Step<Does>] = &[
    Step {
        why: "In another terminal, use the `highlander` that was just built.",
        line: r#"export PATH="$PWD/target/quick:$PATH""#,
        does: Does::FindHost,
    },
    run(
        "List the three nodes.",
        "highlander nodes --url http://127.0.0.1:7411",
        Expect::Mentions("node-3"),
    ),
    run(
        "Call a counter through the first node.",
        "highlander call counter/hits increment --url http://127.0.0.1:7411",
        Expect::Json("1"),
    ),
    run(
        "Call the same counter through the second node.",
        "highlander call counter/hits increment --url http://127.0.0.1:7412",
        Expect::Json("2"),
    ),
    Step {
        why: "Show the owner, through the third node. If it is not node-2, use that node's number below.",
        line: "highlander where counter/hits --url http://127.0.0.1:7413",
        does: Does::NameOwner(2),
    },
    Step {
        why: "Crash the owner.",
        line: r#"kill -9 "$(cat target/cluster/node-2.pid)""#,
        does: Does::Kill(2),
    },
    run(
        "Retry until another node answers, once the session of the killed node has expired. With \
         an idempotency key the call is executed once, however often it is repeated.",
        "until highlander call counter/hits increment --idempotency-key third \
         --url http://127.0.0.1:7411; do sleep 1; done",
        Expect::Json("3"),
    ),
    Step {
        why: "Another node owns the counter now. If it is not node-3, use that node's number below.",
        line: "highlander where counter/hits --url http://127.0.0.1:7411",
        does: Does::NameOwner(3),
    },
    run(
        "Drain the new owner: it hands over all its objects, and no call fails.",
        "highlander drain node-3 --url http://127.0.0.1:7411",
        Expect::Success,
    ),
    run(
        "The drained node owns no objects, and still forwards calls.",
        "highlander call counter/hits increment --url http://127.0.0.1:7413",
        Expect::Json("4"),
    ),
    run(
        "One node is gone, and one is drained.",
        "highlander nodes --url http://127.0.0.1:7411",
        Expect::Mentions("draining"),
    ),
    run(
        "Check the environment of a node, and show how to correct problems.",
        "highlander doctor --config target/cluster/node-1.toml --url http://127.0.0.1:7411",
        Expect::Mentions("ZooKeeper ensemble"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::check_expectations;

    #[test]
    fn a_node_that_was_killed_is_not_asked_any_more() {
        let mut killed = None;
        for step in STEPS {
            if let Does::Kill(number) = step.does {
                assert!(step.line.contains(&format!("node-{number}.pid")), "{}", step.line);
                killed = Some(number);
                continue;
            }
            if let Some(number) = killed {
                assert!(!step.line.contains(&format!("127.0.0.1:741{number}")), "{}", step.line);
                assert!(!step.line.contains(&format!("node-{number}")), "{}", step.line);
            }
        }
        assert!(killed.is_some());
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
