//! Options that can also be set by an environment variable.
//!
//! An empty variable counts as unset, because shells and unit files often cannot remove one. The variables are
//! read here instead of by clap, which would accept an empty value and list every option that has a variable in
//! its usage lines.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args};

const URL_DEFAULT: &str = "http://127.0.0.1:7410";

/// Options of every command that sends requests to a node.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// URL of the node [env: HIGHLANDER_URL] [default: http://127.0.0.1:7410]
    #[arg(long, global = true, value_parser = NonEmptyStringValueParser::new())]
    url: Option<String>,
    /// Print documents as the node sends them, one per line
    #[arg(long, global = true, action = ArgAction::SetTrue)]
    pub(super) json: bool,
    /// File with the bearer token, readable only by its owner [env: HIGHLANDER_TOKEN_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Global {
    /// Returns the node's URL.
    pub(super) fn url(&self) -> String {
        let variable = || variable("HIGHLANDER_URL")?.into_string().ok();
        self.url.clone().or_else(variable).unwrap_or_else(|| URL_DEFAULT.to_owned())
    }

    /// Returns the token file, if set.
    pub(super) fn token_file(&self) -> Option<PathBuf> {
        self.token_file.clone().or_else(|| variable("HIGHLANDER_TOKEN_FILE").map(PathBuf::from))
    }
}

/// Returns the value of an environment variable, unless it is unset or empty.
pub(super) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
