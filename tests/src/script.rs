//! Converts the code blocks of a document to one shell script, so that tests run the commands that users read.
//!
//! The tag of a block determines its meaning:
//!
//! | tag | meaning |
//! |---|---|
//! | `sh` | commands, one per line; a trailing backslash continues the line |
//! | `console` | commands after `$ `, each with its output |
//! | `rust` | a complete `src/lib.rs` if it begins with the SDK's prelude, else an excerpt, which is not run |
//! | `text` | commands that are not run; a test checks that those of `cargo xtask` exist |
//!
//! One shell runs all commands in order. A command that ends with `&` starts a node: the next command runs once
//! the node listens, and the script fails if the node ends instead.

use std::path::Path;

/// First line of a complete source file.
const WHOLE_SOURCE: &str = "use highlander_sdk::prelude::*;\n";

/// One step of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A command, and its output if the document shows it.
    Run(String, Option<String>),
    /// The content of `src/lib.rs`.
    Source(String),
    /// A command that is shown but not run.
    Mention(String),
}

/// Returns the steps of a Markdown document, in order.
///
/// # Panics
/// If a block has a tag that is not in the table above.
#[must_use]
pub fn steps(markdown: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = markdown;
    while let Some((_, begun)) = rest.split_once("```") {
        let (mark, content) = begun.split_once('\n').unwrap_or((begun, ""));
        let (content, after) = content.split_once("```").expect("every code block ends");
        match mark.trim() {
            "sh" => steps.extend(commands(content).map(|line| Step::Run(line, None))),
            "console" => steps.extend(content.split("$ ").skip(1).map(|one| {
                let (line, printed) = one.split_once('\n').unwrap_or((one, ""));
                Step::Run(line.to_owned(), Some(printed.trim_end().to_owned()))
            })),
            "rust" if content.starts_with(WHOLE_SOURCE) => {
                steps.push(Step::Source(content.to_owned()));
            }
            "rust" => {}
            "text" => steps.extend(commands(content).map(Step::Mention)),
            other => panic!("a block is marked {other:?}, so it would not be run:\n{content}"),
        }
        rest = after;
    }
    steps
}

fn commands(block: &str) -> impl Iterator<Item = String> {
    let whole = block.replace("\\\n", " ");
    let lines: Vec<_> = whole.lines().map(|line| line.trim().to_owned()).collect();
    lines.into_iter().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Returns a script that runs the steps in order, prints each, and stops at the first failure. The output of each
/// step goes to the file in `outputs` with the step's number as its name. `address` replaces the default address.
#[must_use]
pub fn script(steps: &[Step], address: &str, outputs: &Path) -> String {
    let mut script = String::from("set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n");
    for (number, step) in steps.iter().enumerate() {
        let output = outputs.join(number.to_string());
        let output = quoted(&output.to_string_lossy());
        match step {
            Step::Mention(_) => {}
            Step::Source(text) => {
                script.push_str(&format!("printf %s {} > src/lib.rs\n", quoted(text)));
            }
            Step::Run(line, _) => {
                let line = line.replace("127.0.0.1:7410", address);
                script.push_str(&format!("echo {} >&2\n", quoted(&format!("$ {line}"))));
                script.push_str(&run(&line, &output));
            }
        }
    }
    script
}

/// Returns one command with its output redirected to a file. The shell itself runs it, because it may change the
/// folder.
fn run(line: &str, output: &str) -> String {
    if line.ends_with('&') {
        return format!(
            "{{ {line}\n}} > {output} 2> {output}.log\n\
             tries=0; until grep -q 'listening on http' {output}.log; do\n\
             kill -0 $! || {{ cat {output}.log >&2; exit 1; }}\n\
             tries=$((tries + 1)); [ $tries -lt 600 ]; sleep 0.05; done\n"
        );
    }
    // A process that was killed ends at once, before a user has typed the next line.
    let after = if line.starts_with("kill -9 ") { "wait $! || true\n" } else { "" };
    format!("{{ {line}\n}} > {output}\n{after}")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(line: &str, printed: Option<&str>) -> Step {
        Step::Run(line.to_owned(), printed.map(str::to_owned))
    }

    #[test]
    fn blocks_are_steps_by_their_mark() {
        let text = "a\n```sh\n# why\nhighlander get \\\n  todo/42\n\n```\n```console\n$ a 'b'\n1\n2\n$ c\n```\n\
                    ```rust\nfn part() {}\n```\n```rust\nuse highlander_sdk::prelude::*;\n```\n\
                    ```text\ncargo xtask demo # shows it\n```\n";
        let expected = [
            ran("highlander get    todo/42", None),
            ran("a 'b'", Some("1\n2")),
            ran("c", Some("")),
            Step::Source(WHOLE_SOURCE.to_owned()),
            Step::Mention("cargo xtask demo # shows it".to_owned()),
        ];
        assert_eq!(steps(text), expected);
    }

    #[test]
    #[should_panic(expected = "so it would not be run")]
    fn a_block_of_another_kind_is_not_passed_over() {
        let _ = steps("```bash\nrm x\n```\n");
    }

    fn bash(steps: &[Step]) -> (bool, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let script = script(steps, "127.0.0.1:9", folder.path());
        let mut bash = std::process::Command::new("bash");
        let output = bash.current_dir(folder.path()).args(["-c", &script]).output().unwrap();
        (output.status.success(), folder)
    }

    #[test]
    fn steps_are_taken_by_one_shell() {
        let steps = [
            ran("mkdir src; cd src; cd ..; x=http://127.0.0.1:7410/'a'", None),
            Step::Source("it's".to_owned()),
            ran("cat src/lib.rs; echo $x", None),
        ];
        let (is_done, folder) = bash(&steps);
        assert!(is_done);
        let printed = std::fs::read_to_string(folder.path().join("2")).unwrap();
        assert_eq!(printed, "it'shttp://127.0.0.1:9/a\n");
    }

    #[test]
    fn a_node_is_waited_for_and_one_that_ends_is_a_failure() {
        let node = ran("(echo listening on http://x >&2; exec sleep 60) &", None);
        assert!(bash(&[node.clone(), ran("kill $!", None), ran("true", None)]).0);
        assert!(!bash(&[ran("(echo address in use >&2; exit 2) &", None)]).0);
        assert!(!bash(&[ran("false", None), ran("true", None)]).0);
    }
}
