//! The commands in a document, as a script: so that what users read is what works.
//!
//! The convention: code blocks marked `sh` are commands, run in order by one shell in an empty folder, in which
//! `highlander` is the binary and `target/guests` holds the components. Blocks with any other mark are not run.
//! What prepares a machine or builds the host is left out ([`Line::Elsewhere`]), and of `cargo xtask` it is only asked
//! whether it knows the command. A command that ends with `&` is a node, and the next one waits until it is ready.

/// Commands that other tests, or the build that made the binary, have run already.
const ELSEWHERE: &[&str] =
    &["git clone ", "cd ", "rustup ", "apt-get ", "sudo ", "cargo build ", "export PATH="];

/// What is done about one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// It is run.
    Run(String),
    /// This must be a command of `cargo xtask`.
    Xtask(String),
    /// It is run elsewhere.
    Elsewhere(String),
}

/// The command lines of a Markdown document. A line that ends with a backslash goes on in the next one.
#[must_use]
pub fn lines(markdown: &str) -> Vec<Line> {
    let (mut found, mut is_inside, mut begun) = (Vec::new(), false, String::new());
    for line in markdown.lines() {
        let text = line.trim();
        if let Some(mark) = text.strip_prefix("```") {
            is_inside = !is_inside && mark.split([' ', ',']).next() == Some("sh");
        } else if is_inside && let Some(part) = text.strip_suffix('\\') {
            begun.push_str(part);
        } else if is_inside {
            let whole = std::mem::take(&mut begun) + text;
            found.extend(sort(whole.strip_prefix("$ ").unwrap_or(&whole)));
        }
    }
    found
}

fn sort(line: &str) -> Option<Line> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    if let Some(rest) = line.strip_prefix("cargo xtask ") {
        let command = rest.split_whitespace().next().unwrap_or_default();
        return Some(Line::Xtask(command.to_owned()));
    }
    let is_elsewhere = ELSEWHERE.iter().any(|start| line.starts_with(start));
    let line = line.to_owned();
    Some(if is_elsewhere { Line::Elsewhere(line) } else { Line::Run(line) })
}

/// One script that runs the lines in order, each shown before it is run, and stops at the first that fails.
///
/// `address` takes the place of the default one.
#[must_use]
pub fn script(lines: &[Line], address: &str) -> String {
    let mut script = String::from("set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n");
    for line in lines {
        let Line::Run(line) = line else { continue };
        let line = line.replace("127.0.0.1:7410", address);
        script.push_str(&format!("echo {} >&2\n{line}\n", quoted(&format!("$ {line}"))));
        if line.starts_with("kill ") {
            // A person types the next line when the node is gone.
            script.push_str("wait $! || true\n");
        }
        if line.ends_with('&') {
            script.push_str(&format!(
                "tries=0; until curl -fsS http://{address}/readyz >/dev/null 2>&1; do \
                 tries=$((tries + 1)); [ $tries -lt 600 ]; sleep 0.05; done\n"
            ));
        }
    }
    script
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blocks_marked_sh_are_commands() {
        let text = "a\n```toml\nx = 1\n```\n```sh\n# why\n$ highlander get \\\n  todo/42\n\ncargo xtask demo --once\n\
                    rustup target add x\n```\nb\n```\nhighlander delete todo/42\n```\n";
        let expected = [
            Line::Run("highlander get todo/42".to_owned()),
            Line::Xtask("demo".to_owned()),
            Line::Elsewhere("rustup target add x".to_owned()),
        ];
        assert_eq!(lines(text), expected);
    }

    #[test]
    fn a_node_is_waited_for_and_listens_elsewhere() {
        let lines =
            [Line::Run("curl http://127.0.0.1:7410/ 'x'".to_owned()), Line::Run("a &".to_owned())];
        let script = script(&lines, "127.0.0.1:9");
        assert!(script.contains("\ncurl http://127.0.0.1:9/ 'x'\n"), "{script}");
        assert!(
            script.contains("\na &\ntries=0; until curl -fsS http://127.0.0.1:9/readyz"),
            "{script}"
        );
    }
}
