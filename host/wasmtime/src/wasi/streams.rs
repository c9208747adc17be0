//! WASI streams. Standard input is at its end. Standard output and error accept everything and keep nothing, except
//! for the last words of a guest that panics.

use wasmtime::Result;
use wasmtime::component::{ComponentType, Lower, Resource};

use super::{Cx, Functions, InputStream, IoError, OutputStream, STDERR, ready};

/// Number of bytes that a guest may write to a stream at a time.
const WRITE_BYTES_MAX: u64 = 64 * 1024;

type Input = Resource<InputStream>;
type Output = Resource<OutputStream>;

/// Reason why a stream cannot continue. These streams either work or are closed, so the other case never occurs.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[allow(dead_code, reason = "part of the WASI interface")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

pub(super) fn define(to: &mut Functions<'_>) -> Result<()> {
    input_stream(to)?;
    output_stream(to)
}

fn input_stream(to: &mut Functions<'_>) -> Result<()> {
    let no_bytes = || Ok((Err::<Vec<u8>, _>(StreamError::Closed),));
    let no_count = || Ok((Err::<u64, _>(StreamError::Closed),));
    define!(to, "[method]input-stream.read", move |_, _: (Input, u64)| no_bytes());
    define!(to, "[method]input-stream.blocking-read", move |_, _: (Input, u64)| no_bytes());
    define!(to, "[method]input-stream.skip", move |_, _: (Input, u64)| no_count());
    define!(to, "[method]input-stream.blocking-skip", move |_, _: (Input, u64)| no_count());
    define!(to, "[method]input-stream.subscribe", |_, _: (Input,)| ready());
    Ok(())
}

fn output_stream(to: &mut Functions<'_>) -> Result<()> {
    let room = || Ok((Ok::<_, StreamError>(WRITE_BYTES_MAX),));
    define!(to, "[method]output-stream.check-write", move |_, _: (Output,)| room());
    define!(to, "[method]output-stream.write", write);
    define!(to, "[method]output-stream.blocking-write-and-flush", write);
    define!(to, "[method]output-stream.flush", |_, _: (Output,)| done());
    define!(to, "[method]output-stream.blocking-flush", |_, _: (Output,)| done());
    define!(to, "[method]output-stream.subscribe", |_, _: (Output,)| { ready() });
    Ok(())
}

fn write(mut cx: Cx<'_>, (to, bytes): (Output, Vec<u8>)) -> Result<(Result<(), StreamError>,)> {
    if to.rep() == STDERR {
        cx.data_mut().say(&bytes);
    }
    done()
}

fn done() -> Result<(Result<(), StreamError>,)> {
    Ok((Ok(()),))
}
