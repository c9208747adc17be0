//! `highlander completions`: prints a script by which a shell completes commands and options. It contacts no node.

use clap::Args;
use clap_complete::{Shell, generate};

use super::failure::Failure;
use super::output;

/// `highlander completions`
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell that is to read it
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, mut command: clap::Command) -> Result<(), Failure> {
        let name = command.get_name().to_owned();
        // Into memory first: a reader that goes away would end the generator with a panic.
        let mut script = Vec::new();
        generate(self.shell, &mut command, name, &mut script);
        output::text(&String::from_utf8_lossy(&script))
    }
}
