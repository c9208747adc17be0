//! Compiles components to machine code, in a child process with limits or in this process.
//!
//! A component of 200 KB can occupy a compiler for a minute and take more than a gigabyte, and no inspection of its
//! shape detects all such components. So a node compiles only in a child ([`process`]), which executes the same
//! binary ([`child`]) and sandboxes itself first ([`sandbox`]). The result is cached in `cache`.

mod answer;
pub(super) mod child;
pub(super) mod limits;
mod process;
pub(super) mod refusal;
pub(super) mod sandbox;
mod syscalls;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use highlander_core::engine::LoadError;

use self::limits::CompileLimits;
use self::refusal::uncompilable;
use super::code::CompiledCode;

/// Hidden command of the binary that compiles the component on standard input.
pub const COMMAND: &str = "compile-component";

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

    /// Compiles a component. Blocks until it is done or exceeds a limit. A child is stopped once `is_abandoned`.
    pub(super) fn compile(
        &self,
        engine: &wasmtime::Engine,
        wasm: &[u8],
        is_abandoned: &AtomicBool,
    ) -> Result<CompiledCode, LoadError> {
        match self {
            Self::InProcess => {
                let code =
                    engine.precompile_component(wasm).map_err(|error| uncompilable(&error))?;
                Ok(CompiledCode::of_compiler(code))
            }
            Self::Child { program, arguments, limits } => {
                let code = process::compile(program, arguments, *limits, wasm, is_abandoned);
                code.map(CompiledCode::of_compiler)
            }
        }
    }
}

#[cfg(test)]
mod tests;
