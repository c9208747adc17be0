//! `cargo xtask`: everything that a developer or CI runs.
//!
//! This file owns the command line; each command has a module of its own.
//! Nothing here is part of the product: the host and the SDK never depend on it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for terminals")]

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use script::Options;

mod bench;
mod cluster;
mod demo;
mod expect;
mod guests;
mod node;
mod process;
mod prose;
mod script;
mod shell;
mod suite;
mod system;
mod tidy;
mod workspace;

/// Everything that a developer or CI of Highlander runs.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Builds everything, starts a node, and shows the main job; leaves the node running until Ctrl-C
    Demo(Options),
    /// Starts 3 nodes with ZooKeeper and an S3 server, and says what to try; runs until Ctrl-C
    Cluster(Options),
    /// Runs every check and test, and installs what they need
    Test(suite::Options),
    /// Runs `test` and the check of dependencies
    Ci,
    /// Checks the rules of this repository that no compiler knows
    Tidy,
    /// Counts patterns of prose that reads as translated, per 10,000 words
    Prose,
    /// Builds example objects and test guests into `target/guests`
    BuildGuests(guests::Options),
    /// Measures; without a name it lists what can be measured
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Demo(options) => demo::run(&options),
        Command::Cluster(options) => cluster::run(&options),
        Command::Test(options) => suite::test(&options),
        Command::Ci => suite::ci(),
        Command::Tidy => tidy_once(),
        Command::Prose => prose::run(),
        Command::BuildGuests(options) => guests::run(&options),
        Command::Bench(options) => bench::run(&options),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn tidy_once() -> Result<ExitCode> {
    let is_clean = tidy::run(&workspace::root()?)?;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
