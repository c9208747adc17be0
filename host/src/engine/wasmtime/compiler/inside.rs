//! The child's side of a compilation: locks itself up, reads a component, compiles it, and answers.
//!
//! It has standard input, output and error, and nothing else. It keeps nothing and logs nothing: what it says on
//! standard error is for the parent, which judges it by how it ends.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use wasmtime::{Engine, OutOfMemory};

use super::confinement::Confinement;
use crate::engine::wasmtime::config::code_config;

/// What an answer begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    /// Machine code follows.
    Compiled,
    /// The compiler's reason follows.
    Refused,
    /// The memory was not enough, and nothing follows.
    NoMemory,
}

impl Tag {
    const ALL: [Self; 3] = [Self::Compiled, Self::Refused, Self::NoMemory];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Compiled => "compiled\n",
            Self::Refused => "refused\n",
            Self::NoMemory => "no memory\n",
        }
    }

    /// Takes the tag off an answer.
    pub(super) fn take(answer: &mut Vec<u8>) -> Option<Self> {
        let tag = Self::ALL.into_iter().find(|tag| answer.starts_with(tag.as_str().as_bytes()))?;
        answer.drain(..tag.as_str().len());
        Some(tag)
    }
}

/// Compiles the component on standard input, and answers on standard output: the whole life of the child.
#[must_use]
pub fn compile(confinement: &Confinement) -> ExitCode {
    match confinement.enter().and_then(|()| answer()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Tells the parent something that is no answer.
pub(super) fn say(text: &str) {
    // A parent that has gone hears nothing.
    let _ = writeln!(io::stderr(), "{text}");
}

fn answer() -> io::Result<()> {
    let mut wasm = Vec::new();
    io::stdin().lock().read_to_end(&mut wasm)?;
    let engine = Engine::new(&code_config()).map_err(io::Error::other)?;
    let (tag, body) = match engine.precompile_component(&wasm) {
        Ok(code) => (Tag::Compiled, code),
        Err(error) if error.is::<OutOfMemory>() => (Tag::NoMemory, Vec::new()),
        Err(error) => (Tag::Refused, format!("{error:#}").into_bytes()),
    };
    let mut output = io::stdout().lock();
    output.write_all(tag.as_str().as_bytes())?;
    output.write_all(&body)?;
    output.flush()
}
