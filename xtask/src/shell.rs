//! Running one line of a script as a person would type it: by a shell, with `highlander` in its path.
//!
//! The line and what it prints are shown. What it must print is checked elsewhere.

use std::env;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::node;

/// How long one line may take.
const LINE_TIME_MAX: Duration = Duration::from_secs(120);

/// Where lines are run.
pub(crate) struct Shell<'a> {
    /// The checkout.
    pub(crate) root: &'a Path,
    /// Where `highlander` is.
    pub(crate) binaries: &'a Path,
}

impl Shell<'_> {
    /// Runs one line and gives what it printed.
    pub(crate) fn run(&self, line: &str, variables: &[(&str, String)]) -> Result<String> {
        println!("$ {line}");
        let output = self.run_quietly(line, variables)?;
        print!("{output}");
        if !output.is_empty() && !output.ends_with('\n') {
            println!();
        }
        Ok(output)
    }

    /// The same without showing it.
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

/// Waits for the end of a command that prints little, and gives what it printed.
fn read_to_end(child: &mut Child) -> Result<String> {
    let ended = node::poll(LINE_TIME_MAX, || Ok(child.try_wait()?));
    if ended.is_err() {
        child.kill()?;
    }
    ended.context("the command did not end")?;
    let mut stdout = child.stdout.take().context("no standard output")?;
    Ok(std::io::read_to_string(&mut stdout)?)
}

/// A path as a person here would write it.
pub(crate) fn shown(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
