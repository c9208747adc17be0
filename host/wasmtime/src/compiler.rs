//! Compiles components to machine code, in a child process with limits or in this process.
//!
//! A component of 200 KB can occupy a compiler for a minute and take more than a gigabyte, and no inspection of its
//! shape detects all such components. So a node compiles only in a child ([`process`]), which executes the same
//! binary ([`child`]) and sandboxes itself first ([`sandbox`]). The result is cached in `cache`.

pub(super) mod child;
mod process;
pub(super) mod sandbox;
mod syscalls;

use std::path::PathBuf;
use std::time::Duration;

use highlander_core::engine::LoadError;

use super::code::CompiledCode;
use super::text::{cut, escape};

/// Hidden command of the binary that compiles the component on standard input.
pub const COMMAND: &str = "compile-component";

/// Size limit for the machine code of one component; several times the need of the largest one.
pub(super) const CODE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Length limit for the reason in an error.
const REASON_BYTES_MAX: usize = 1024;

/// Limits of one compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Processor time of all threads together, and also the elapsed time.
    pub time_max: Duration,
    /// Address space of the compiling process in bytes, including its own code.
    pub memory_max: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { time_max: Duration::from_secs(20), memory_max: 1024 * 1024 * 1024 }
    }
}

/// Location in which components are compiled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Compiler {
    /// In this process and without limits, for tests and tools that compile trusted components.
    #[default]
    InProcess,
    /// In a child process with limits, for nodes.
    Child {
        /// Executable.
        program: PathBuf,
        /// Its first arguments; the arguments of `Confinement` follow.
        arguments: Vec<String>,
        /// Limits of the compilation.
        limits: CompileLimits,
    },
}

impl Compiler {
    /// Returns a compiler that executes the running binary. Only `highlander` implements [`COMMAND`].
    #[must_use]
    pub fn own_binary(limits: CompileLimits) -> Self {
        // Not the binary's path: a different version may have been installed there.
        let program = PathBuf::from("/proc/self/exe");
        Self::Child { program, arguments: vec![COMMAND.to_owned()], limits }
    }

    /// Compiles a component. Blocks until it is done or exceeds a limit.
    pub(super) fn compile(
        &self,
        engine: &wasmtime::Engine,
        wasm: &[u8],
    ) -> Result<CompiledCode, LoadError> {
        match self {
            Self::InProcess => {
                let code =
                    engine.precompile_component(wasm).map_err(|error| uncompilable(&error))?;
                Ok(CompiledCode::of_compiler(code))
            }
            Self::Child { program, arguments, limits } => {
                process::compile(program, arguments, *limits, wasm).map(CompiledCode::of_compiler)
            }
        }
    }
}

/// Returns the error for a component that the compiler rejects.
pub(super) fn uncompilable(error: &wasmtime::Error) -> LoadError {
    LoadError::Refused(reason(&format!("{error:#}")))
}

fn reason(text: &str) -> String {
    cut(&escape(&format!("it cannot be compiled: {text}")), REASON_BYTES_MAX).to_owned()
}

#[cfg(test)]
mod tests;
