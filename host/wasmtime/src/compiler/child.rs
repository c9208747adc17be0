//! The child's side of a compilation: enters the sandbox, reads a component, compiles it, and writes the answer.
//!
//! It has only standard input, output and error. Its text on standard error is for the parent, which interprets the
//! child's exit status.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;
use std::thread;

use wasmtime::{Engine, OutOfMemory};

use super::answer::{Tag, say};
use super::sandbox::Confinement;
use crate::config::code_config;

/// Stack of the compiling thread: far more than any component needs that passes the prescan.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// Compiles the component on standard input and writes the answer to standard output. This is the child's whole
/// program.
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

fn answer() -> io::Result<()> {
    let mut wasm = Vec::new();
    io::stdin().lock().read_to_end(&mut wasm)?;
    // Failures before this point are not the component's fault.
    let engine = Engine::new(&code_config()).map_err(io::Error::other)?;
    let (tag, body) = compiled(move || engine.precompile_component(&wasm))?;
    let mut output = io::stdout().lock();
    output.write_all(tag.as_str().as_bytes())?;
    output.write_all(&body)?;
    output.flush()
}

/// Compiles on a thread with a large stack and returns the answer. A panic counts as the component's fault, because
/// the same compiler compiles all others.
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
