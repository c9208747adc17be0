//! Options that an environment variable can set as well.
//!
//! A variable that is empty counts as unset: shells and unit files often cannot remove one. They are read here and not
//! by the parser, which would take an empty one for a value, and list every option that is set so in its usage lines.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::failure::Failure;
use crate::telemetry;

const URL_DEFAULT: &str = "http://127.0.0.1:7410";

/// Options of every command that talks to a node.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// The node to talk to [env: HIGHLANDER_URL] [default: http://127.0.0.1:7410]
    #[arg(long, global = true)]
    url: Option<String>,
    /// Print documents as the node sends them, one a line
    #[arg(long, global = true, action = ArgAction::SetTrue)]
    pub(super) json: bool,
    /// File that holds the bearer token, readable by its owner alone [env: HIGHLANDER_TOKEN_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Options of every command that runs a node.
#[derive(Debug, Args)]
pub(super) struct Log {
    /// How log lines are written: text or json [env: HIGHLANDER_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<telemetry::Format>,
}

impl Global {
    /// The node's address.
    pub(super) fn url(&self) -> String {
        let variable = || variable("HIGHLANDER_URL")?.into_string().ok();
        self.url.clone().or_else(variable).unwrap_or_else(|| URL_DEFAULT.to_owned())
    }

    /// The file with the token, if there is one.
    pub(super) fn token_file(&self) -> Option<PathBuf> {
        self.token_file.clone().or_else(|| variable("HIGHLANDER_TOKEN_FILE").map(PathBuf::from))
    }
}

impl Log {
    /// The format of log lines.
    pub(super) fn format(&self) -> Result<telemetry::Format, Failure> {
        const VARIABLE: &str = "HIGHLANDER_LOG_FORMAT";
        if let Some(format) = self.log_format {
            return Ok(format);
        }
        let Some(text) = variable(VARIABLE) else { return Ok(telemetry::Format::default()) };
        let text = text.to_string_lossy();
        text.parse().map_err(|why| Failure::usage(format!("{VARIABLE} is {text:?}: {why}")))
    }
}

/// Value of an environment variable that is set and not empty.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
