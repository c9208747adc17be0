//! What the scripts of README.md have in common: lines with their reasons, and how they are asked for.
//!
//! How a line is carried out is each script's own.

use clap::Args;

#[cfg(test)]
use crate::expect::Expect;

/// One line of a script.
pub(crate) struct Step<D> {
    /// What it is for, for the reader.
    pub(crate) why: &'static str,
    /// What a person would type in the checkout.
    pub(crate) line: &'static str,
    /// How it is carried out and checked.
    pub(crate) does: D,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Carries out the script, checks it, and ends, instead of waiting for Ctrl-C
    #[arg(long)]
    pub(crate) once: bool,
    /// Prints the command lines and runs nothing
    #[arg(long)]
    pub(crate) print: bool,
    /// Builds the host as for development: in less time, and not as fast
    #[arg(long)]
    pub(crate) debug: bool,
}

impl Options {
    /// The script as a test.
    pub(crate) fn check() -> Self {
        Self { once: true, print: false, debug: true }
    }
}

/// The command lines of a script, as README.md has them.
pub(crate) fn command_lines<D>(steps: &[Step<D>]) -> Vec<String> {
    steps.iter().map(|step| step.line.to_owned()).collect()
}

pub(crate) fn print<D>(steps: &[Step<D>]) {
    for step in steps {
        println!("{}", step.line);
    }
}

/// Checks that what a script expects can come true at all.
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
