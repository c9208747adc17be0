//! The `highlander` command line: argument definitions and dispatch to the subcommands.
//!
//! Standard output carries only data. All failures are printed in one format ([`failure`]), and control characters
//! in data from a node are escaped ([`output`]). Without the Cargo feature `node`, this is the client alone. The
//! function that runs a node is passed in by `main`, because it belongs to a higher layer.

mod alarms;
mod arguments;
mod client;
mod completions;
mod deploy;
#[cfg(feature = "node")]
mod doctor;
mod environment;
mod failure;
mod given_up;
mod messages;
mod new;
#[cfg(feature = "node")]
mod node;
mod nodes;
mod objects;
pub mod output;
mod schema;
#[cfg(all(test, feature = "node"))]
mod tests;
mod token;
mod types;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::client::Client;
use self::environment::Global;
use self::failure::Failure;
#[cfg(feature = "node")]
pub use self::node::RunNode;

macro_rules! exit_codes {
    () => {
        "Exit codes: 0 done, 1 the object rejected the call, 2 wrong usage or environment,\n\
         3 unavailable and nothing executed, 4 outcome unknown."
    };
}

#[cfg(feature = "node")]
const AFTER_HELP: &str = exit_codes!();
#[cfg(not(feature = "node"))]
const AFTER_HELP: &str = concat!(
    "This build is the client alone: it cannot run nodes, and lacks dev, serve and doctor.\n\n",
    exit_codes!()
);

/// Run durable, single-owner objects with sandboxed behaviour
#[derive(Debug, Parser)]
#[command(name = "highlander", version, max_term_width = 100)]
#[command(after_help = AFTER_HELP)]
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
    #[cfg(feature = "node")]
    Dev(node::Dev),
    /// Run a node from a configuration file or the environment
    #[cfg(feature = "node")]
    Serve(node::Serve),
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
    #[cfg(feature = "node")]
    Doctor(doctor::Doctor),
    /// Print a shell completion script for commands and options
    ///
    /// Example: highlander completions bash > ~/.local/share/bash-completion/completions/highlander
    Completions(completions::Completions),
    /// Compile a component from standard input; nodes run this in a child process
    #[cfg(feature = "node")]
    #[command(name = highlander_wasmtime::COMMAND, hide = true)]
    CompileComponent(highlander_wasmtime::Confinement),
}

/// Parses the process's arguments and runs the command. `dev` and `serve` call `run_node`.
#[cfg(feature = "node")]
#[must_use]
pub fn main(run_node: RunNode) -> ExitCode {
    let Cli { global, command } = parsed();
    report(match command {
        Command::Dev(dev) => dev.run(run_node),
        Command::Serve(serve) => serve.run(run_node),
        Command::CompileComponent(confinement) => {
            return highlander_wasmtime::compile(&confinement);
        }
        command => run(&global, command),
    })
}

/// Parses the process's arguments and runs the command.
#[cfg(not(feature = "node"))]
#[must_use]
pub fn main() -> ExitCode {
    let Cli { global, command } = parsed();
    report(run(&global, command))
}

fn parsed() -> Cli {
    Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit())
}

fn report(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::failure(&failure),
    }
}

/// Commands that contact no node, each with the [`Global`] options that it uses anyway.
const OFFLINE: &[(&str, &[&str])] = &[
    #[cfg(feature = "node")]
    ("dev", &[]),
    #[cfg(feature = "node")]
    ("serve", &[]),
    ("new", &[]),
    ("token", &["json"]),
    ("completions", &[]),
];

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

/// Runs a command of the client.
fn run(global: &Global, command: Command) -> Result<(), Failure> {
    match command {
        Command::New(new) => new.run(),
        Command::Token(token) => token.run(global.json),
        Command::Completions(completions) => completions.run(self::command()),
        command => on_runtime(global, command),
    }
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
            #[cfg(feature = "node")]
            Command::Doctor(doctor) => doctor.run(&client).await,
            #[cfg(feature = "node")]
            Command::Dev(_) | Command::Serve(_) | Command::CompileComponent(_) => Ok(()),
            Command::New(_) | Command::Token(_) | Command::Completions(_) => Ok(()),
        }
    })
}
