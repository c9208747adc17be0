//! WASI 0.2 for objects, without access to the host.
//!
//! The standard libraries of most languages import it, so it must exist. There are no arguments, no environment, no
//! files and no input. Output is dropped, except for the last words of a panic. Clocks show the time of the call,
//! in milliseconds, and stand still within it; waiting ends immediately. Functions that are not defined here trap
//! when they are called. Nothing accesses the system, except that the system seeds the random numbers. Handles are
//! constants and carry no pointers.

use rand::Rng;
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut, bail};

use super::host_state::HostState;

/// Number of random bytes that a guest may request at a time.
const RANDOM_BYTES_MAX: u64 = 64 * 1024;
/// Handles of the output streams.
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// Kinds of handles. They are only used as types and never constructed.
enum IoError {}
enum InputStream {}
enum OutputStream {}
enum Pollable {}
enum Descriptor {}
enum TerminalInput {}
enum TerminalOutput {}

type Cx<'a> = StoreContextMut<'a, HostState>;

#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// The guest called `exit`, which an object cannot do.
#[derive(Debug, thiserror::Error)]
#[error("it called exit")]
pub(super) struct Exited;

/// WASI 0.2 interfaces that a component may import, with the functions that define them.
pub(super) const INTERFACES: &[(&str, Define)] = &[
    ("wasi:cli/environment", environment),
    ("wasi:cli/exit", exit),
    ("wasi:cli/stdin", stdin),
    ("wasi:cli/stdout", stdout),
    ("wasi:cli/stderr", stderr),
    ("wasi:cli/terminal-input", nothing),
    ("wasi:cli/terminal-output", nothing),
    ("wasi:cli/terminal-stdin", terminal_stdin),
    ("wasi:cli/terminal-stdout", terminal_stdout),
    ("wasi:cli/terminal-stderr", terminal_stderr),
    ("wasi:clocks/monotonic-clock", monotonic_clock),
    ("wasi:clocks/wall-clock", wall_clock),
    ("wasi:filesystem/preopens", preopens),
    // No descriptor is ever handed out, so none of its functions can be reached.
    ("wasi:filesystem/types", nothing),
    ("wasi:io/error", nothing),
    ("wasi:io/poll", poll),
    ("wasi:io/streams", streams::define),
    ("wasi:random/random", random),
    ("wasi:random/insecure", insecure),
    ("wasi:random/insecure-seed", insecure_seed),
];

/// Defines the functions of one interface.
pub(super) type Define = fn(&mut Functions<'_>) -> Result<()>;

/// Interface under definition. Records every name, so that a test can list everything that guests can reach.
pub(super) struct Functions<'a> {
    pub(super) linker: LinkerInstance<'a, HostState>,
    pub(super) names: Vec<&'static str>,
}

/// Returns the type of a handle by its WASI name. It is the same in every interface that uses it.
pub(super) fn resource_type(name: &str) -> ResourceType {
    match name {
        "error" => ResourceType::host::<IoError>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        // Never handed out by a function that is defined here.
        _ => ResourceType::host::<()>(),
    }
}

/// Defines a function whose parameter and result types are those of the closure.
macro_rules! define {
    ($functions:expr, $name:literal, $body:expr) => {{
        $functions.names.push($name);
        $functions.linker.func_wrap($name, $body)?;
    }};
}

mod streams;

fn nothing(_: &mut Functions<'_>) -> Result<()> {
    Ok(())
}

fn environment(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "get-environment", |_, (): ()| Ok((Vec::<(String, String)>::new(),)));
    define!(to, "get-arguments", |_, (): ()| Ok((Vec::<String>::new(),)));
    define!(to, "initial-cwd", |_, (): ()| Ok((None::<String>,)));
    Ok(())
}

fn exit(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "exit", |_, _: (Result<(), ()>,)| -> Result<()> {
        Err(wasmtime::Error::new(Exited))
    });
    Ok(())
}

fn stdin(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "get-stdin", |_, (): ()| Ok((Resource::<InputStream>::new_own(0),)));
    Ok(())
}

fn stdout(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "get-stdout", |_, (): ()| Ok((Resource::<OutputStream>::new_own(STDOUT),)));
    Ok(())
}

fn stderr(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "get-stderr", |_, (): ()| Ok((Resource::<OutputStream>::new_own(STDERR),)));
    Ok(())
}

fn terminal_stdin(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "get-terminal-stdin", |_, (): ()| Ok((None::<Resource<TerminalInput>>,)));
    Ok(())
}

fn terminal_stdout(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "get-terminal-stdout", |_, (): ()| Ok((None::<Resource<TerminalOutput>>,)));
    Ok(())
}

fn terminal_stderr(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "get-terminal-stderr", |_, (): ()| Ok((None::<Resource<TerminalOutput>>,)));
    Ok(())
}

fn monotonic_clock(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "now", |cx, (): ()| Ok((cx.data().now_ms.saturating_mul(1_000_000),)));
    define!(to, "resolution", |_, (): ()| Ok((1_000_000_u64,)));
    define!(to, "subscribe-instant", |_, _: (u64,)| ready());
    define!(to, "subscribe-duration", |_, _: (u64,)| ready());
    Ok(())
}

fn wall_clock(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "now", |cx, (): ()| {
        let (seconds, ms) = (cx.data().now_ms / 1000, cx.data().now_ms % 1000);
        let nanoseconds = u32::try_from(ms).unwrap_or(0) * 1_000_000;
        Ok((Datetime { seconds, nanoseconds },))
    });
    define!(to, "resolution", |_, (): ()| {
        Ok((Datetime { seconds: 0, nanoseconds: 1_000_000 },))
    });
    Ok(())
}

fn preopens(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "get-directories", |_, (): ()| {
        Ok((Vec::<(Resource<Descriptor>, String)>::new(),))
    });
    Ok(())
}

fn poll(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "[method]pollable.ready", |_, _: (Resource<Pollable>,)| Ok((true,)));
    define!(to, "[method]pollable.block", |_, _: (Resource<Pollable>,)| Ok(()));
    define!(to, "poll", |_, (all,): (Vec<Resource<Pollable>>,)| {
        let count = u32::try_from(all.len())?;
        Ok(((0..count).collect::<Vec<u32>>(),))
    });
    Ok(())
}

/// Suitable for keys: each instance has a separate generator, which the system's generator seeds.
fn random(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "get-random-bytes", random_bytes);
    define!(to, "get-random-u64", random_number);
    Ok(())
}

fn insecure(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "get-insecure-random-bytes", random_bytes);
    define!(to, "get-insecure-random-u64", random_number);
    Ok(())
}

fn insecure_seed(to: &mut Functions<'_>) -> Result<()> {
    define!(to, "insecure-seed", |mut cx, (): ()| {
        let random = cx.data_mut().random()?;
        Ok(((random.next_u64(), random.next_u64()),))
    });
    Ok(())
}

fn random_bytes(mut cx: Cx<'_>, (count,): (u64,)) -> Result<(Vec<u8>,)> {
    if count > RANDOM_BYTES_MAX {
        bail!("it requested {count} random bytes; expected at most {RANDOM_BYTES_MAX} at a time");
    }
    let mut bytes = vec![0; usize::try_from(count)?];
    cx.data_mut().random()?.fill_bytes(&mut bytes);
    Ok((bytes,))
}

fn random_number(mut cx: Cx<'_>, (): ()) -> Result<(u64,)> {
    Ok((cx.data_mut().random()?.next_u64(),))
}

fn ready() -> Result<(Resource<Pollable>,)> {
    Ok((Resource::new_own(0),))
}
