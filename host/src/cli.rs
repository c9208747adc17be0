//! The `highlander` command line: argument definitions and dispatch to the subcommands.
//!
//! Standard output carries only data. All failures are printed in one format ([`failure`]), and control characters
//! in data from a node are escaped ([`output`]). The function that runs a node is passed in by `main`, because it
//! belongs to a higher layer.

mod alarms;
mod arguments;
mod client;
mod completions;
mod deploy;
mod doctor;
mod environment;
mod failure;
mod given_up;
mod messages;
mod new;
mod nodes;
mod objects;
pub mod output;
mod schema;
#[cfg(test)]
mod tests;
mod token;
mod types;
mod watch;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use highlander_wasmtime::{COMMAND, Confinement, compile};

use self::client::Client;
use self::environment::{Global, Log};
use self::failure::Failure;
use crate::config::Config;
use crate::config::backends::RegistryKind;
use crate::telemetry;

/// Run durable, single-owner objects with sandboxed behaviour
#[derive(Debug, Parser)]
#[command(name = "highlander", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 the object rejected the call, 2 wrong usage or environment,\n\
    3 unavailable and nothing executed, 4 outcome unknown."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one node with an embedded store, for development
    ///
    /// Example: highlander dev --data /tmp/objects
    Dev {
        /// Directory for the store and compiled code [default: .highlander]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Address to listen on; port 0 selects a free one [default: 127.0.0.1:7410]
        #[arg(long, value_name = "ADDR", value_parser = arguments::listen)]
        listen: Option<SocketAddr>,
        /// Directory of a web page; its files are served at /web/, without authentication
        #[arg(long, value_name = "DIR")]
        web: Option<PathBuf>,
        #[command(flatten)]
        log: Log,
    },
    /// Run a node from a configuration file or the environment
    Serve {
        /// Configuration file; see docs/configuration.md [default: the environment alone]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        log: Log,
    },
    /// Generate a token and its line for the token file
    ///
    /// Example: highlander token ci --scopes deploy:todo,call:todo
    Token(token::Token),
    /// Create an object project, or add an object to the current project
    New(new::New),
    /// Upload a component and make it the current revision of its type
    ///
    /// Example: highlander deploy todo.wasm --canary 10%
    Deploy(deploy::Deploy),
    /// Test a component on the states of existing objects, without changing anything
    Rehearse(deploy::Rehearse),
    /// Make an older revision of a type current again
    Rollback(deploy::Rollback),
    /// List the types, show the handlers and revisions of one, or remove one
    Types(types::Types),
    /// Call a handler of an object
    ///
    /// Examples: highlander call todo/42 complete, highlander call counter/hits add -5
    Call(objects::Call),
    /// Print an object's state
    Get(objects::Get),
    /// Replace an object's state
    Put(objects::Put),
    /// Delete an object
    Delete(objects::Delete),
    /// Print the keys of a type's objects, in order
    List(objects::List),
    /// Print the events of an object until interrupted with Ctrl-C
    ///
    /// Example: highlander watch todo/42 --count 3
    Watch(watch::Watch),
    /// Show the owner, tier and version of an object
    Where(objects::One),
    /// Resume an object that was quarantined after repeated failures
    Resume(objects::One),
    /// List the undelivered and failed messages of an object; retry or drop failed ones
    ///
    /// Example: highlander messages list/home --retry all
    Messages(messages::Messages),
    /// List the scheduled and failed alarms of an object; retry or drop failed ones
    Alarms(alarms::Alarms),
    /// Unload an object from memory; its record stays in the store
    Deactivate(objects::One),
    /// List the nodes
    Nodes,
    /// Move all objects of a node to other nodes, and wait until they have moved
    Drain(nodes::Drain),
    /// Check this machine and its configuration, and suggest fixes
    Doctor(doctor::Doctor),
    /// Print a shell completion script for commands and options
    ///
    /// Example: highlander completions bash > ~/.local/share/bash-completion/completions/highlander
    Completions(completions::Completions),
    /// Compile a component from standard input; nodes run this in a child process
    #[command(name = COMMAND, hide = true)]
    CompileComponent(Confinement),
}

/// Runs a node until the process is asked to stop.
pub type RunNode = fn(Config) -> anyhow::Result<()>;

/// Parses the process's arguments and runs the command. `dev` and `serve` call `run_node`.
#[must_use]
pub fn main(run_node: RunNode) -> ExitCode {
    let matches = command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let done = match cli.command {
        Command::Dev { data, listen, web, log } => {
            dev_config(data, listen, web).and_then(|config| start(run_node, config, &log))
        }
        Command::Serve { config, log } => {
            load(config.as_deref()).and_then(|config| start(run_node, config, &log))
        }
        Command::New(new) => new.run(),
        Command::Token(token) => token.run(cli.global.json),
        Command::Completions(completions) => completions.run(command()),
        Command::CompileComponent(confinement) => return compile(&confinement),
        command => on_runtime(&cli.global, command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Commands that contact no node, each with the [`Global`] options that it uses anyway.
const OFFLINE: &[(&str, &[&str])] =
    &[("dev", &[]), ("serve", &[]), ("new", &[]), ("token", &["json"]), ("completions", &[])];

/// Command definition as users see it: the help of each command lists only the options that it uses.
fn command() -> clap::Command {
    let command = Cli::command();
    let global: Vec<_> =
        command.get_arguments().filter(|argument| argument.is_global_set()).cloned().collect();
    OFFLINE.iter().fold(command, |command, (name, used)| {
        let unused = global.iter().filter(|argument| !used.contains(&argument.get_id().as_str()));
        command.mut_subcommand(name, |offline| {
            offline.args(unused.map(|argument| argument.clone().hide(true)))
        })
    })
}

/// Returns the configuration of a single node: the environment's, overridden by the command's options.
fn dev_config(
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    web: Option<PathBuf>,
) -> Result<Config, Failure> {
    let config = load(None)?;
    if config.registry.kind != RegistryKind::Local {
        let failure = Failure::usage(
            "highlander dev runs only a standalone node; expected registry.kind = \"local\"",
        );
        return Err(failure.with_hint("to run a node of a cluster: highlander serve --config FILE"));
    }
    if let Some(folder) = web.as_deref().filter(|folder| !folder.is_dir()) {
        let failure = Failure::usage(format!("{} is not a directory", folder.display()));
        return Err(
            failure.with_hint("--web takes the directory of a web page with its index.html")
        );
    }
    let data_dir = data.unwrap_or_else(|| config.data_dir.clone());
    let listen = listen.unwrap_or(config.listen);
    Ok(Config { data_dir, listen, is_dev: true, web, ..config })
}

fn start(run_node: RunNode, config: Config, log: &Log) -> Result<(), Failure> {
    telemetry::init(log.format()?);
    run_node(config).map_err(Failure::of_node)
}

fn load(file: Option<&Path>) -> Result<Config, Failure> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(Config::load(file, variables)?)
}

/// Runs a command that needs a runtime, usually to send requests to a node.
fn on_runtime(global: &Global, command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::environment(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(async {
        let client = Client::new(global)?;
        match command {
            Command::Deploy(deploy) => deploy.run(&client).await,
            Command::Rehearse(rehearse) => rehearse.run(&client).await,
            Command::Rollback(rollback) => rollback.run(&client).await,
            Command::Types(types) => types.run(&client).await,
            Command::Call(call) => call.run(&client).await,
            Command::Get(get) => get.run(&client).await,
            Command::Put(put) => put.run(&client).await,
            Command::Delete(delete) => delete.run(&client).await,
            Command::List(list) => list.run(&client).await,
            Command::Watch(watch) => watch.run(&client).await,
            Command::Where(one) => one.locate(&client).await,
            Command::Resume(one) => one.resume(&client).await,
            Command::Messages(messages) => messages.run(&client).await,
            Command::Alarms(alarms) => alarms.run(&client).await,
            Command::Deactivate(one) => one.deactivate(&client).await,
            Command::Nodes => nodes::list(&client).await,
            Command::Drain(drain) => drain.run(&client).await,
            Command::Doctor(doctor) => doctor.run(&client).await,
            Command::Dev { .. }
            | Command::Serve { .. }
            | Command::New(_)
            | Command::Token(_)
            | Command::Completions(_)
            | Command::CompileComponent(_) => Ok(()),
        }
    })
}
