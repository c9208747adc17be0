//! Runs the binary's commands as a shell would: arguments and standard input in, exit code and both outputs out.
//!
//! Commands do not inherit the environment variables that configure the tests.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::artifacts;
use crate::wait;

/// Result of a command.
#[derive(Debug)]
pub struct Ended {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A command under construction.
#[derive(Debug, Default)]
pub struct Run {
    url: Option<String>,
    input: Vec<u8>,
    stdout: Option<Stdio>,
    variables: Vec<(String, String)>,
}

/// Creates a command without a node URL and with empty input.
#[must_use]
pub fn highlander() -> Run {
    Run::default()
}

impl Run {
    /// Sets the URL of the node.
    #[must_use]
    pub fn url(self, url: &str) -> Self {
        Self { url: Some(url.to_owned()), ..self }
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the standard input.
    #[must_use]
    pub fn input(self, input: &str) -> Self {
        Self { input: input.as_bytes().to_vec(), ..self }
    }

    /// Redirects standard output.
    #[must_use]
    pub fn stdout(self, stdout: impl Into<Stdio>) -> Self {
        Self { stdout: Some(stdout.into()), ..self }
    }

    /// Runs the command to completion.
    pub async fn run(self, arguments: &[&str]) -> Ended {
        self.run_in(Path::new("."), arguments).await
    }

    /// Runs the command to completion in another folder.
    pub async fn run_in(self, folder: &Path, arguments: &[&str]) -> Ended {
        let mut command = Command::new(artifacts::binary());
        clear_environment(&mut command);
        command.current_dir(folder).args(arguments);
        if let Some(url) = &self.url {
            command.env("HIGHLANDER_URL", url);
        }
        command.envs(self.variables);
        run(command, &self.input, self.stdout.unwrap_or_else(Stdio::piped)).await
    }
}

/// Runs any command to completion.
pub async fn run(command: Command, input: &[u8], stdout: Stdio) -> Ended {
    let shown = format!("{command:?}");
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    // A process may close its input without reading it.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    ended(&shown, wait::within(&shown, child.wait_with_output()).await.unwrap())
}

/// Runs a command that may take minutes, such as a build, to completion.
pub async fn run_for_long(mut command: Command) -> Ended {
    let shown = format!("{command:?}");
    clear_environment(&mut command);
    let mut command = tokio::process::Command::from(command);
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    ended(&shown, running.await.unwrap_or_else(|error| panic!("{shown}: {error}")))
}

fn ended(shown: &str, output: Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or_else(|| panic!("{shown}: {}", output.status)),
        stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
    }
}

/// Removes all variables that the binary reads from a command's environment.
pub fn clear_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HIGHLANDER_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG");
}

impl Ended {
    /// Asserts that the command succeeded.
    #[track_caller]
    #[must_use]
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    /// Returns standard output as one JSON value.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in standard output {:?}", self.stdout))
    }

    /// Returns the error's message and hint, and asserts that the command failed with this exit code.
    ///
    /// Also checks that standard output stayed empty, and that standard error ends with `error: …`, an empty line
    /// and `hint: …`, or with `error: …` alone.
    #[track_caller]
    #[must_use]
    pub fn error(&self, code: i32) -> (String, Option<String>) {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{}", self.stderr);
        let start = self.stderr.find("error: ");
        let start = start.unwrap_or_else(|| panic!("no `error: ` in {:?}", self.stderr));
        let text = self.stderr[start + "error: ".len()..].trim_end();
        match text.split_once("\n\nhint: ") {
            Some((message, hint)) => (one_line(message), Some(one_line(hint))),
            None => (one_line(text), None),
        }
    }
}

#[track_caller]
fn one_line(text: &str) -> String {
    assert!(!text.is_empty() && !text.contains('\n'), "expected one line, got {text:?}");
    text.to_owned()
}
