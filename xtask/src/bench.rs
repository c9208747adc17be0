//! `cargo xtask bench`: runs the package `highlander-bench`, which defines the benchmarks and their output.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{process, workspace};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Benchmark to run, by default all
    name: Option<String>,
    /// Measure at full length, for published figures
    #[arg(long)]
    full: bool,
    /// Measure briefly, to check that everything works
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Number of rounds, in each of which every subject is measured once
    #[arg(long, value_name = "COUNT")]
    rounds: Option<usize>,
}

/// Runs a benchmark in a release build.
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
