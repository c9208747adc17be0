//! `cargo xtask`: the command line of all development and CI tasks; each command has a separate module.
//!
//! Nothing here is part of the product: the host and the SDK never depend on it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use script::Options;

mod bench;
mod ci;
mod cluster;
mod demo;
mod deny;
mod dist;
mod expect;
mod guests;
mod install;
mod msrv;
mod node;
mod process;
mod prose;
mod script;
mod shell;
mod tidy;
mod workspace;

/// Development and CI tasks of Highlander.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build everything, start a node, and run the walkthrough; the node runs until Ctrl-C
    Demo(Options),
    /// Start 3 nodes with ZooKeeper and an S3 server, and print commands to try; runs until Ctrl-C
    Cluster(Options),
    /// Run all checks and tests, and install what they need
    Test(ci::Options),
    /// Run `test` and the check of dependencies; installs cargo-deny into the target folder if it is missing
    Ci,
    /// Check repository rules that the compiler does not enforce
    Tidy,
    /// Count patterns of prose that reads as translated, per 10,000 words
    Prose,
    /// Build example objects and test guests into `target/guests`
    BuildGuests(guests::Options),
    /// Build the release binary, and pack one archive with it for a target
    Dist(dist::Options),
    /// Run benchmarks; without a name, all of them
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Demo(options) => demo::run(&options),
        Command::Cluster(options) => cluster::run(&options),
        Command::Test(options) => ci::test(&options),
        Command::Ci => ci::ci(),
        Command::Tidy => tidy_once(),
        Command::Prose => prose::run(),
        Command::BuildGuests(options) => guests::run(&options),
        Command::Dist(options) => dist::run(&options),
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
