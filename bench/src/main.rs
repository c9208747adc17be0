//! `cargo xtask bench`: measures Highlander beside servers that do the same work without it.
//!
//! It drives the real binary over HTTP, as a client would, and the **floors** beside it: child processes of this very
//! program with the same HTTP libraries and nothing between a request and its answer.
//! It asserts nothing: what it finds is printed, and written as JSON and as pictures into `bench-results`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for terminals")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod artifacts;
mod cluster;
mod floor;
mod load;
mod locker;
mod machine;
mod parts;
mod process;
mod report;
mod runs;
mod samples;
mod subject;
mod wire;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures Highlander beside servers that do the same work without it.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench", args_conflicts_with_subcommands = true)]
struct Arguments {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    name: runs::Name,
    /// Measure at full length, for figures that are published
    #[arg(long)]
    full: bool,
    /// Measure little, to see that everything works: the figures are worth nothing
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// How often each subject has its turn
    #[arg(long, value_name = "COUNT")]
    rounds: Option<usize>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Be one of the servers to compare with
    #[command(hide = true)]
    Floor {
        #[arg(value_enum)]
        kind: floor::Kind,
    },
    /// Load a server that runs already, so that a profiler may look at it
    Load {
        /// Where it listens
        address: std::net::SocketAddr,
        /// The handler of counters to call
        handler: String,
        /// How many counters are called in turn
        #[arg(long, default_value_t = 1)]
        keys: u64,
        /// For how many seconds
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    // One thread for the load of all connections: it must not take the processors that it measures.
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    match &arguments.command {
        Some(Command::Floor { kind }) => floor::run(*kind),
        Some(Command::Load { address, handler, keys, seconds }) => {
            let target = load::Target::counters("load", (*keys).max(1), handler);
            let until = load::Until::Elapsed(Duration::from_secs(*seconds));
            let loading = load::closed(*address, &target, load::CONNECTION_COUNT, until);
            let mut outcome = runtime()?.block_on(loading)?;
            let (p50, p99) = (outcome.latencies.micros_at(0.5), outcome.latencies.micros_at(0.99));
            println!(
                "{:.0} calls per second, p50 {p50:.0} µs, p99 {p99:.0} µs, {} errors",
                outcome.per_second(),
                outcome.error_count
            );
            Ok(())
        }
        None => {
            let length = match (arguments.quick, arguments.full) {
                (true, _) => runs::Length::Quick,
                (false, true) => runs::Length::Full,
                (false, false) => runs::Length::Usual,
            };
            let plan = runs::Plan::new(length, arguments.rounds)?;
            runtime()?.block_on(runs::run(arguments.name, &plan))
        }
    }
}
