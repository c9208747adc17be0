//! Shared code of the scripts in README.md: steps with their reasons, and command-line options.

use clap::Args;

#[cfg(test)]
use crate::expect::Expect;

/// Line of a script.
pub(crate) struct Step<D> {
    /// Reason, shown to the reader.
    pub(crate) why: &'static str,
    /// Command line as typed in the checkout.
    pub(crate) line: &'static str,
    /// Action and check of the line.
    pub(crate) does: D,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run the script, check it, and end, instead of waiting for Ctrl-C
    #[arg(long)]
    pub(crate) once: bool,
    /// Print the command lines and run nothing
    #[arg(long)]
    pub(crate) print: bool,
    /// Use a development build of the host, which takes less time and runs slower
    #[arg(long)]
    pub(crate) debug: bool,
}

impl Options {
    /// Returns the options for running the script as a test.
    pub(crate) fn check() -> Self {
        Self { once: true, print: false, debug: true }
    }
}

/// Returns the command lines of a script, as in README.md.
pub(crate) fn command_lines<D>(steps: &[Step<D>]) -> Vec<String> {
    steps.iter().map(|step| step.line.to_owned()).collect()
}

pub(crate) fn print<D>(steps: &[Step<D>]) {
    for step in steps {
        println!("{}", step.line);
    }
}

/// Checks that the expectations of a script are valid.
#[cfg(test)]
pub(crate) fn check_expectations(expected: impl Iterator<Item = Expect>) {
    let mut count = 0;
    for expect in expected {
        if let Expect::Json(text) = expect {
            serde_json::from_str::<serde_json::Value>(text).unwrap();
            count += 1;
        }
    }
    assert!(count > 0);
}
