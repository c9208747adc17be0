//! Who turns components into machine code: a child process with limits, or this process.
//!
//! A component of 200 KB can keep a compiler busy for a minute and take more than a gigabyte, and no look at its shape
//! finds all of these. So a node compiles only in a child ([`process`]), which is its own binary executed again
//! ([`inside`]) and locks itself up first ([`confinement`]). Nothing is kept here: that is `cache`.

pub(super) mod confinement;
pub(super) mod inside;
mod process;
mod syscalls;

use std::path::PathBuf;
use std::time::Duration;

use super::code::Code;
use super::guest::{cut, escape};
use crate::engine::LoadError;

/// The hidden command of the binary that compiles what standard input holds.
pub const COMMAND: &str = "compile-component";

/// Largest machine code of one component. It is several times what the largest component needs.
pub(super) const CODE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Longest reason that is passed on.
const REASON_BYTES_MAX: usize = 1024;

/// What one compilation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Processor time of all its threads together, and also the time that passes meanwhile.
    pub time_max: Duration,
    /// Address space of the compiling process, its own code included, in bytes.
    pub memory_max: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { time_max: Duration::from_secs(30), memory_max: 1024 * 1024 * 1024 }
    }
}

/// Where components are compiled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Compiler {
    /// In this process and without limits: for tests and tools, which know what they compile.
    #[default]
    InProcess,
    /// In a child process with limits: for nodes.
    Child {
        /// What is executed.
        program: PathBuf,
        /// Its first arguments; what confines it follows.
        arguments: Vec<String>,
        /// What it may take.
        limits: CompileLimits,
    },
}

impl Compiler {
    /// The running binary as the compiler. For `highlander` only: another binary does not know [`COMMAND`].
    #[must_use]
    pub fn own_binary(limits: CompileLimits) -> Self {
        // Not its path: another version may be there by now.
        let program = PathBuf::from("/proc/self/exe");
        Self::Child { program, arguments: vec![COMMAND.to_owned()], limits }
    }

    /// Compiles. Blocks until it is done, or over its limits.
    pub(super) fn compile(
        &self,
        engine: &wasmtime::Engine,
        wasm: &[u8],
    ) -> Result<Code, LoadError> {
        match self {
            Self::InProcess => {
                let code =
                    engine.precompile_component(wasm).map_err(|error| uncompilable(&error))?;
                Ok(Code::of_compiler(code))
            }
            Self::Child { program, arguments, limits } => {
                process::compile(program, arguments, *limits, wasm).map(Code::of_compiler)
            }
        }
    }
}

/// The refusal of a component that the compiler finds fault with.
pub(super) fn uncompilable(error: &wasmtime::Error) -> LoadError {
    LoadError::Refused(reason(&format!("{error:#}")))
}

fn reason(text: &str) -> String {
    cut(&escape(&format!("it cannot be compiled: {text}")), REASON_BYTES_MAX).to_owned()
}

#[cfg(test)]
mod tests;
