//! `cargo xtask bench`: compares Highlander with servers that do the same work without it.
//!
//! It calls the real binary over HTTP, as a client would, and for comparison the baselines: child
//! processes of this program that use the same HTTP libraries and have nothing between request and response. It
//! asserts nothing: it prints the results, and writes them as JSON and as SVG into `bench-results`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod artifacts;
mod baseline;
mod cluster;
mod fixtures;
mod host_info;
mod http_client;
mod load;
mod process;
mod report;
mod runs;
mod samples;
mod subject;
mod zk_locks;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Compares Highlander with servers that do the same work without it.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench", args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Benchmark to run
    #[arg(value_enum, default_value = "all")]
    name: runs::Name,
    /// Measure at full length, for published figures
    #[arg(long)]
    full: bool,
    /// Measure briefly, to check that everything works; the figures are meaningless
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Number of rounds, in each of which every subject is measured once
    #[arg(long, value_name = "COUNT")]
    rounds: Option<usize>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one of the baseline servers
    #[command(hide = true)]
    Baseline {
        #[arg(value_enum)]
        kind: baseline::Kind,
    },
    /// Generate load on a running server, for example to profile it
    Load {
        /// Address of the server
        address: std::net::SocketAddr,
        /// Handler of the counters to call
        handler: String,
        /// Number of counters to call in turn
        #[arg(long, default_value_t = 1)]
        keys: u64,
        /// Duration in seconds
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
    // One thread generates the load of all connections, so that it does not take processors from the measured
    // server.
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    match &arguments.command {
        Some(Command::Baseline { kind }) => baseline::run(*kind),
        Some(Command::Load { address, handler, keys, seconds }) => {
            let target = load::Target::counters("load", (*keys).max(1), handler);
            let until = load::Until::Elapsed(Duration::from_secs(*seconds));
            let loading = load::closed(*address, &target, load::CONNECTION_COUNT, until);
            let outcome = runtime()?.block_on(loading)?;
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
