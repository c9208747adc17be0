//! `cargo xtask bench`: hands over to the package that measures.
//!
//! It knows neither the names of the measurements nor what they print; `highlander-bench` does.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{process, workspace};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What to measure
    name: Option<String>,
    /// Measures at full length, for figures that are published
    #[arg(long)]
    full: bool,
    /// Measures little, to see that everything works
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// How often each subject has its turn
    #[arg(long, value_name = "COUNT")]
    rounds: Option<usize>,
}

/// Runs one measurement in a release build.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let root = workspace::root()?;
    let mut command = process::cargo(&root);
    command.args(["run", "--release", "--package", "highlander-bench", "--"]);
    command.args(&options.name);
    if options.full {
        command.arg("--full");
    }
    if options.quick {
        command.arg("--quick");
    }
    if let Some(rounds) = options.rounds {
        command.args(["--rounds", &rounds.to_string()]);
    }
    process::run(&mut command)?;
    Ok(ExitCode::SUCCESS)
}
