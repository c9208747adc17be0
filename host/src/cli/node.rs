//! The `dev` and `serve` commands, which run a node.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
#[cfg(feature = "embedded")]
use highlander_embedded::OpenError;

use super::arguments;
use super::environment::variable;
use super::failure::Failure;
use crate::config::backends::RegistryKind;
use crate::config::{self, Config};
use crate::telemetry;

/// Runs a node until the process is asked to stop.
pub type RunNode = fn(Config) -> anyhow::Result<()>;

/// `highlander dev`
#[derive(Debug, Args)]
pub(super) struct Dev {
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
}

/// `highlander serve`
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Configuration file; see docs/configuration.md [default: the environment alone]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    log: Log,
}

/// Options of every command that runs a node.
#[derive(Debug, Args)]
struct Log {
    /// Log format: text or json [env: HIGHLANDER_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<telemetry::Format>,
}

impl Dev {
    pub(super) fn run(self, run_node: RunNode) -> Result<(), Failure> {
        let format = self.log.format();
        start(run_node, self.config()?, format?)
    }

    /// Returns the configuration of a single node: the environment's, overridden by the command's options.
    fn config(self) -> Result<Config, Failure> {
        let Self { data, listen, web, .. } = self;
        let config = load(None)?;
        if config.registry.kind != RegistryKind::Local {
            let failure = Failure::usage(
                "highlander dev runs only a standalone node; expected registry.kind = \"local\"",
            );
            return Err(
                failure.with_hint("to run a node of a cluster: highlander serve --config FILE")
            );
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
}

impl Serve {
    pub(super) fn run(self, run_node: RunNode) -> Result<(), Failure> {
        start(run_node, load(self.config.as_deref())?, self.log.format()?)
    }
}

impl Log {
    /// Returns the log format.
    fn format(&self) -> Result<telemetry::Format, Failure> {
        const VARIABLE: &str = "HIGHLANDER_LOG_FORMAT";
        if let Some(format) = self.log_format {
            return Ok(format);
        }
        let Some(text) = variable(VARIABLE) else { return Ok(telemetry::Format::default()) };
        let text = text.to_string_lossy();
        text.parse().map_err(|why| Failure::usage(format!("{VARIABLE} is {text:?}: {why}")))
    }
}

fn start(run_node: RunNode, config: Config, log: telemetry::Format) -> Result<(), Failure> {
    let _log = telemetry::init(log);
    run_node(config).map_err(of_node)
}

pub(super) fn load(file: Option<&Path>) -> Result<Config, Failure> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(Config::load(file, variables)?)
}

/// Converts the error with which a node stopped.
#[allow(clippy::needless_pass_by_value, reason = "`map_err` passes the error by value")]
fn of_node(error: anyhow::Error) -> Failure {
    if let Some(error) = error.downcast_ref::<config::Error>() {
        return error.clone().into();
    }
    let failure = Failure::environment(format!("{error:#}"));
    #[cfg(feature = "embedded")]
    if error.chain().any(|cause| matches!(cause.downcast_ref(), Some(OpenError::InUse(_)))) {
        return failure.with_hint("each node needs a separate data directory: --data DIR");
    }
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    match causes.next().map(std::io::Error::kind) {
        Some(ErrorKind::AddrInUse) => {
            return failure.with_hint(
                "is a node already running there? highlander dev --listen 127.0.0.1:0 selects a \
                 free port; each node needs a separate data directory: --data DIR",
            );
        }
        Some(ErrorKind::AddrNotAvailable) => {
            return failure.with_hint(
                "this machine does not have that address; list its addresses with: ip address",
            );
        }
        _ => {}
    }
    // An error with a cause comes from the environment.
    if error.chain().nth(1).is_some() {
        return failure.with_hint("check this machine with: highlander doctor");
    }
    failure
}
