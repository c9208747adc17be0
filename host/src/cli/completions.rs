//! The `completions` command: prints a shell completion script. It contacts no node.

use clap::Args;
use clap_complete::{Shell, generate};

use super::failure::Failure;
use super::output;

/// `highlander completions`
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Shell to generate the script for
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, mut command: clap::Command) -> Result<(), Failure> {
        let name = command.get_name().to_owned();
        // Generate into memory first: the generator panics if its output pipe is closed.
        let mut script = Vec::new();
        generate(self.shell, &mut command, name, &mut script);
        output::text(&String::from_utf8_lossy(&script))
    }
}
