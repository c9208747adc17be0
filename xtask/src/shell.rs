//! Execution of one line of a script as typed: by a shell, with `highlander` in its path. The line and its output
//! are shown.

use std::env;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::node;

/// Time limit of one line.
const LINE_TIME_MAX: Duration = Duration::from_secs(120);

/// Environment of the lines.
pub(crate) struct Shell<'a> {
    /// Checkout.
    pub(crate) root: &'a Path,
    /// Folder of `highlander`.
    pub(crate) binaries: &'a Path,
}

impl Shell<'_> {
    /// Runs one line, shows it, and returns its output.
    pub(crate) fn run(&self, line: &str, variables: &[(&str, String)]) -> Result<String> {
        println!("$ {line}");
        let output = self.run_quietly(line, variables)?;
        print!("{output}");
        if !output.is_empty() && !output.ends_with('\n') {
            println!();
        }
        Ok(output)
    }

    /// Runs one line without showing it, and returns its output.
    pub(crate) fn run_quietly(&self, line: &str, variables: &[(&str, String)]) -> Result<String> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.binaries.to_owned()).chain(env::split_paths(&path));
        let mut child = Command::new("sh")
            .args(["-c", line])
            .current_dir(self.root)
            .env("PATH", env::join_paths(folders)?)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = read_to_end(&mut child)?;
        let status = child.wait()?;
        if !status.success() {
            bail!("the command failed ({status})");
        }
        Ok(output)
    }
}

/// Waits for the end of a command with little output, and returns that output.
fn read_to_end(child: &mut Child) -> Result<String> {
    let ended = node::poll(LINE_TIME_MAX, || Ok(child.try_wait()?));
    if ended.is_err() {
        child.kill()?;
    }
    ended.context("the command did not end")?;
    let mut stdout = child.stdout.take().context("the command has no standard output")?;
    Ok(std::io::read_to_string(&mut stdout)?)
}

/// Returns a path relative to the current folder, if it is below.
pub(crate) fn shown(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
