//! The child's side of a compilation: locks itself up, reads a component, compiles it, and answers.
//!
//! It has standard input, output and error, and nothing else. It keeps nothing and logs nothing: what it says on
//! standard error is for the parent, which judges it by how it ends.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;
use std::thread;

use wasmtime::{Engine, OutOfMemory};

use super::confinement::Confinement;
use crate::engine::wasmtime::config::code_config;

/// Stack of the thread that reads the component: far more than what passes the first look needs.
const STACK_BYTES: usize = 32 * 1024 * 1024;

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
    // What fails up to here is none of the component's doing.
    let engine = Engine::new(&code_config()).map_err(io::Error::other)?;
    let (tag, body) = compiled(move || engine.precompile_component(&wasm))?;
    let mut output = io::stdout().lock();
    output.write_all(tag.as_str().as_bytes())?;
    output.write_all(&body)?;
    output.flush()
}

/// Compiles on a thread with a large stack, and gives what is to be answered. A panic is the component's doing too: the
/// same compiler compiles all others.
fn compiled(
    compile: impl FnOnce() -> wasmtime::Result<Vec<u8>> + Send + 'static,
) -> io::Result<(Tag, Vec<u8>)> {
    let thread = thread::Builder::new().name("compile".to_owned()).stack_size(STACK_BYTES);
    Ok(match thread.spawn(compile)?.join() {
        Ok(Ok(code)) => (Tag::Compiled, code),
        Ok(Err(error)) if error.is::<OutOfMemory>() => (Tag::NoMemory, Vec::new()),
        Ok(Err(error)) => (Tag::Refused, format!("{error:#}").into_bytes()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
            (Tag::Refused, format!("the compiler panicked: {text}").into_bytes())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_compiler_refuses_the_component_with_its_words() {
        let panics: [fn() -> wasmtime::Result<Vec<u8>>; 2] =
            [|| panic!("multiple {}", "memories"), || panic!("multiple memories")];
        for panic in panics {
            let (tag, body) = compiled(panic).unwrap();
            assert_eq!(tag, Tag::Refused);
            assert_eq!(body, b"the compiler panicked: multiple memories");
        }
    }

    #[test]
    fn the_compiler_has_more_stack_than_a_thread_by_default() {
        fn depth_of(left: usize) -> usize {
            let frame = std::hint::black_box([left; 128]);
            if left == 0 { 0 } else { 1 + depth_of(frame[127] - 1) }
        }
        let (tag, _) = compiled(|| {
            assert_eq!(depth_of(6_000), 6_000);
            Ok(Vec::new())
        })
        .unwrap();
        assert_eq!(tag, Tag::Compiled);
    }
}
