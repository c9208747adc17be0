//! The parent's side of a compilation: starts the child, bounds its time, and judges how it ended.
//!
//! Component, answer and whatever else the child says are files in memory, so that nobody has to read and write at
//! the same time, and the answer's size is bounded by the kernel. The thread that calls waits for the child: the kernel
//! ends the child together with it, and so with the node.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use bytesize::ByteSize;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::confinement::Confinement;
use super::inside::Tag;
use super::{CODE_BYTES_MAX, CompileLimits, REASON_BYTES_MAX, reason};
use crate::clock::BootTime;
use crate::engine::LoadError;
use crate::engine::wasmtime::guest::{cut, escape};

/// Threads of the compiler. Each takes memory of its own from the common limit, and a core that calls may wait for: the
/// lowest priority alone does not keep their times, so that half of the cores are left to them.
const THREADS_MAX: usize = 4;
/// The child's allocator takes no more address space than it needs, and starts no thread.
const ALLOCATOR: &str = "retain:false,narenas:4,background_thread:false";
/// What the standard library says before it ends a process that gets no memory.
const NO_MEMORY: &str = "memory allocation of ";
/// What it says before it ends one whose thread is out of stack.
const NO_STACK: &str = "has overflowed its stack";
/// Stack of each of the compiler's other threads.
const THREAD_STACK_BYTES: usize = 4 * 1024 * 1024;
/// The signals of a process that runs into an error of its own, and not into somebody else's wish.
const CRASHES: [Signal; 6] =
    [Signal::ABORT, Signal::BUS, Signal::FPE, Signal::ILL, Signal::SEGV, Signal::TRAP];

/// A child that got less than this part of its time on a processor was kept waiting by others.
const STARVED_DIVISOR: u32 = 10;

/// How a child came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, or by somebody else.
    Ended(ExitStatus),
    /// Its time was over, of which it had so much on a processor.
    OverTime(Duration),
}

/// What is left of a child.
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) answer: Vec<u8>,
    /// The beginning of what it wrote to standard error, escaped.
    pub(super) said: String,
}

/// Compiles in a child, and gives the machine code.
pub(super) fn compile(
    program: &Path,
    arguments: &[String],
    limits: CompileLimits,
    wasm: &[u8],
) -> Result<Vec<u8>, LoadError> {
    let mut command = Command::new(program);
    command.args(arguments).args(Confinement::of_child(limits, CODE_BYTES_MAX).to_arguments());
    let ended = run(&mut command, limits.time_max, wasm)
        .map_err(|error| LoadError::Failed(format!("the compiler cannot be run: {error}")))?;
    if !ended.said.is_empty() {
        tracing::debug!("the compiler said: {}", ended.said);
    }
    judge(ended, limits)
}

/// Runs a child to its end, which comes at the latest when its time is over.
pub(super) fn run(command: &mut Command, time_max: Duration, wasm: &[u8]) -> io::Result<Ended> {
    let mut component = file("component")?;
    component.write_all(wasm)?;
    component.rewind()?;
    let (mut answer, mut said) = (file("answer")?, file("said")?);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // A group of its own: what it may start, if it is taken over, ends with it, and Ctrl-C is for the node alone.
    command
        .process_group(0)
        .current_dir("/")
        .env_clear()
        .env("RAYON_NUM_THREADS", (cores / 2).clamp(1, THREADS_MAX).to_string())
        .env("RUST_MIN_STACK", THREAD_STACK_BYTES.to_string())
        .env("_RJEM_MALLOC_CONF", ALLOCATOR)
        .stdin(component)
        .stdout(answer.try_clone()?)
        .stderr(said.try_clone()?);
    let end = Running { child: command.spawn()?, is_reaped: false }.wait(time_max)?;
    let said = read(&mut said, REASON_BYTES_MAX as u64)?;
    let said = escape(String::from_utf8_lossy(&said).trim()).into_owned();
    Ok(Ended { end, answer: read(&mut answer, CODE_BYTES_MAX)?, said })
}

/// A file that is in memory alone, and that no other process gets unless it is handed over.
fn file(name: &str) -> io::Result<File> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC)?.into())
}

fn read(file: &mut File, bytes_max: u64) -> io::Result<Vec<u8>> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A child that is ended and reaped, whatever happens.
struct Running {
    child: Child,
    /// Its number may be another process's by then.
    is_reaped: bool,
}

impl Running {
    /// Waits until it has ended, or its time is over.
    fn wait(mut self, time_max: Duration) -> io::Result<End> {
        let pidfd = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?;
        let deadline = BootTime::now() + time_max;
        loop {
            let left = deadline.since(BootTime::now());
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
                Ok(0) if left.is_zero() => {
                    return Ok(End::OverTime(processor_time(self.child.id())));
                }
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return self.reap().map(End::Ended),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        // Where nobody is left in the group, there is nothing to end.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        self.is_reaped = true;
        self.child.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_reaped {
            // Why it is ended is told by whoever drops it.
            let _ = self.reap();
        }
    }
}

/// What all threads of a process have had on a processor; nothing where the kernel does not say.
fn processor_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // After the name, which may hold anything: the times are fields 12 and 13, counted from the state.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    let ticks: u64 = fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / clock_ticks_per_second().max(1))
}

/// What a child's end means.
pub(super) fn judge(ended: Ended, limits: CompileLimits) -> Result<Vec<u8>, LoadError> {
    let status = match ended.end {
        End::Ended(status) => status,
        End::OverTime(used) if used < limits.time_max / STARVED_DIVISOR => {
            return Err(starved(used, limits));
        }
        End::OverTime(_) => return Err(over_time(limits)),
    };
    match (status.code(), status.signal()) {
        (Some(0), _) => answered(ended.answer, limits),
        (_, Some(signal)) if signal == Signal::XCPU.as_raw() => Err(over_time(limits)),
        (_, Some(signal)) if signal == Signal::XFSZ.as_raw() => {
            let max = ByteSize(CODE_BYTES_MAX);
            Err(LoadError::Refused(format!("its compiled code has more than {max}")))
        }
        (_, Some(signal)) if signal == Signal::ABORT.as_raw() && ended.said.contains(NO_MEMORY) => {
            Err(over_memory(limits))
        }
        (_, Some(signal)) if CRASHES.iter().any(|crash| crash.as_raw() == signal) => {
            tracing::warn!("a compiler ended with {status}: {}", ended.said);
            Err(crashed(status, &ended.said))
        }
        // Such as "signal: 9 (SIGKILL)", or "exit status: 101": before it read the component, or by somebody else.
        _ => {
            let said = cut(&ended.said, REASON_BYTES_MAX);
            tracing::error!("a compiler ended with {status}: {said}");
            Err(LoadError::Failed(format!("the compiler ended with {status}")))
        }
    }
}

fn answered(mut answer: Vec<u8>, limits: CompileLimits) -> Result<Vec<u8>, LoadError> {
    let Some(tag) = Tag::take(&mut answer) else {
        let what =
            if answer.is_empty() { "without an answer" } else { "with an answer that is none" };
        return Err(LoadError::Failed(format!("the compiler ended {what}")));
    };
    match tag {
        Tag::Refused => Err(LoadError::Refused(reason(&String::from_utf8_lossy(&answer)))),
        Tag::NoMemory => Err(over_memory(limits)),
        Tag::Compiled => match wasmtime::Engine::detect_precompiled(&answer) {
            Some(wasmtime::Precompiled::Component) => Ok(answer),
            _ => {
                Err(LoadError::Failed("the compiler gave what is no compiled component".to_owned()))
            }
        },
    }
}

/// The same compiler compiles all others: what it crashes on is refused.
fn crashed(status: ExitStatus, said: &str) -> LoadError {
    let why = match said.contains(NO_STACK) {
        true => "it is nested so deeply that the compiler runs out of stack".to_owned(),
        false => format!("the compiler crashes on it: {status}"),
    };
    LoadError::Refused(reason(&why))
}

fn starved(used: Duration, limits: CompileLimits) -> LoadError {
    LoadError::Failed(format!(
        "the machine is too busy: compiling got {used:?} on a processor within {:?}; try again later",
        limits.time_max
    ))
}

fn over_time(limits: CompileLimits) -> LoadError {
    let text = "compiling it takes longer than this node allows";
    LoadError::Refused(format!(
        "{text}: {:?} (sandbox.compile_time_max); set HIGHLANDER_SANDBOX__COMPILE_TIME_MAX=2m and start \
         the node again: a component with a JavaScript or Python runtime needs about 20 s of processor time",
        limits.time_max
    ))
}

fn over_memory(limits: CompileLimits) -> LoadError {
    let text = "compiling it takes more memory than this node allows";
    let max = ByteSize(limits.memory_max);
    LoadError::Refused(format!(
        "{text}: {max} (sandbox.compile_memory_max); set HIGHLANDER_SANDBOX__COMPILE_MEMORY_MAX to more \
         and start the node again"
    ))
}
