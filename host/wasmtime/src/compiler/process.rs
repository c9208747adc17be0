//! The parent's side of a compilation: starts the child, bounds its time, and interprets its exit.
//!
//! Component, answer and error text are in-memory files, so that no concurrent reading and writing is needed, and
//! the kernel bounds the size of the answer. The calling thread waits for the child. The kernel kills the child
//! when this thread ends, and therefore with the node.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytesize::ByteSize;
use highlander_core::engine::LoadError;
use highlander_system::clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::answer::Tag;
use super::limits::{CODE_BYTES_MAX, CompileLimits};
use super::refusal::{REASON_BYTES_MAX, reason};
use super::sandbox::Confinement;
use crate::text::{cut, escape};

/// Maximum number of compiler threads. Each takes memory from the common limit, and a core that calls may need. Low
/// priority alone does not protect the latency of calls, so half of the cores are left to them.
const THREADS_MAX: usize = 4;
/// Allocator settings of the child: it reserves no spare address space and starts no thread.
const ALLOCATOR: &str = "retain:false,narenas:4,background_thread:false";
/// Message of the standard library before it aborts because memory ran out.
const NO_MEMORY: &str = "memory allocation of ";
/// Message of the standard library before it aborts because of a stack overflow.
const NO_STACK: &str = "has overflowed its stack";
/// Stack of each additional compiler thread.
const THREAD_STACK_BYTES: usize = 4 * 1024 * 1024;
/// Signals of a process that crashes, as opposed to one that is killed by another process.
const CRASHES: [Signal; 6] =
    [Signal::ABORT, Signal::BUS, Signal::FPE, Signal::ILL, Signal::SEGV, Signal::TRAP];

/// A child that got less than this fraction of its time limit on a processor was starved by other processes.
const STARVED_DIVISOR: u32 = 10;
/// Interval at which the parent checks whether the compilation was abandoned.
const ABANDONED_CHECK: Duration = Duration::from_millis(100);

/// Outcome of a child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It exited or was killed by another process.
    Ended(ExitStatus),
    /// It exceeded its time limit, after this much processor time.
    OverTime(Duration),
    /// The last requester has left.
    Abandoned,
}

/// Result of a finished child.
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) answer: Vec<u8>,
    /// Beginning of its standard error, escaped.
    pub(super) said: String,
}

/// Compiles in a child and returns the machine code.
pub(super) fn compile(
    program: &Path,
    arguments: &[String],
    limits: CompileLimits,
    wasm: &[u8],
    is_abandoned: &AtomicBool,
) -> Result<Vec<u8>, LoadError> {
    let mut command = Command::new(program);
    command.args(arguments).args(Confinement::of_child(limits, CODE_BYTES_MAX).to_arguments());
    let ended = run(&mut command, limits.time_max, wasm, is_abandoned)
        .map_err(|error| LoadError::Failed(format!("the compiler cannot be run: {error}")))?;
    if !ended.said.is_empty() {
        tracing::debug!("output of the compiler: {}", ended.said);
    }
    judge(ended, limits)
}

/// Runs a child until it exits, exceeds its time limit, or is abandoned.
pub(super) fn run(
    command: &mut Command,
    time_max: Duration,
    wasm: &[u8],
    is_abandoned: &AtomicBool,
) -> io::Result<Ended> {
    let mut component = file("component")?;
    component.write_all(wasm)?;
    component.rewind()?;
    let (mut answer, mut said) = (file("answer")?, file("said")?);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // A separate process group: processes that a compromised child might start end with it, and Ctrl-C reaches only
    // the node.
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
    let end = Running { child: command.spawn()?, is_reaped: false }.wait(time_max, is_abandoned)?;
    let said = read(&mut said, REASON_BYTES_MAX as u64)?;
    let said = escape(String::from_utf8_lossy(&said).trim()).into_owned();
    Ok(Ended { end, answer: read(&mut answer, CODE_BYTES_MAX)?, said })
}

/// Creates an in-memory file that no other process can access unless it receives the descriptor.
fn file(name: &str) -> io::Result<File> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC)?.into())
}

fn read(file: &mut File, bytes_max: u64) -> io::Result<Vec<u8>> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Child that is killed and reaped in every case.
struct Running {
    child: Child,
    /// After reaping, the process id may belong to another process.
    is_reaped: bool,
}

impl Running {
    /// Waits until the child exits, exceeds its time limit, or is abandoned.
    fn wait(mut self, time_max: Duration, is_abandoned: &AtomicBool) -> io::Result<End> {
        let pidfd = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?;
        let deadline = clock::now() + time_max;
        loop {
            let left = deadline.since(clock::now());
            if is_abandoned.load(Ordering::Relaxed) {
                return Ok(End::Abandoned);
            }
            let timeout =
                Timespec::try_from(left.min(ABANDONED_CHECK)).map_err(io::Error::other)?;
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
        // If the group is empty, there is nothing to kill.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        self.is_reaped = true;
        self.child.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_reaped {
            // The dropping function reports the reason.
            let _ = self.reap();
        }
    }
}

/// Returns the processor time of all threads of a process; zero if the kernel does not report it.
fn processor_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Parsed after the name, which may contain anything: the times are fields 12 and 13, counted from the state.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    let ticks: u64 = fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / clock_ticks_per_second().max(1))
}

/// Interprets the exit of a child.
pub(super) fn judge(ended: Ended, limits: CompileLimits) -> Result<Vec<u8>, LoadError> {
    let status = match ended.end {
        End::Ended(status) => status,
        End::OverTime(used) if used < limits.time_max / STARVED_DIVISOR => {
            return Err(starved(used, limits));
        }
        End::OverTime(_) => return Err(over_time(limits)),
        End::Abandoned => {
            return Err(LoadError::Failed("every requester has left".to_owned()));
        }
    };
    match (status.code(), status.signal()) {
        (Some(0), _) => answered(ended.answer, limits),
        (_, Some(signal)) if signal == Signal::XCPU.as_raw() => Err(over_time(limits)),
        (_, Some(signal)) if signal == Signal::XFSZ.as_raw() => {
            let max = ByteSize(CODE_BYTES_MAX);
            Err(LoadError::Refused(format!("its compiled code is larger than {max}")))
        }
        (_, Some(signal)) if signal == Signal::ABORT.as_raw() && ended.said.contains(NO_MEMORY) => {
            Err(over_memory(limits))
        }
        (_, Some(signal)) if CRASHES.iter().any(|crash| crash.as_raw() == signal) => {
            tracing::warn!("the compiler ended with {status}: {}", ended.said);
            Err(crashed(status, &ended.said))
        }
        // For example "signal: 9 (SIGKILL)" or "exit status: 101": it failed before it read the component, or
        // another process killed it.
        _ => {
            let said = cut(&ended.said, REASON_BYTES_MAX);
            tracing::error!("the compiler ended with {status}: {said}");
            Err(LoadError::Failed(format!("the compiler ended with {status}")))
        }
    }
}

fn answered(mut answer: Vec<u8>, limits: CompileLimits) -> Result<Vec<u8>, LoadError> {
    let Some(tag) = Tag::take(&mut answer) else {
        let what = if answer.is_empty() { "without a result" } else { "with an invalid result" };
        return Err(LoadError::Failed(format!("the compiler ended {what}")));
    };
    match tag {
        Tag::Refused => Err(LoadError::Refused(reason(&String::from_utf8_lossy(&answer)))),
        Tag::NoMemory => Err(over_memory(limits)),
        Tag::Compiled => match wasmtime::Engine::detect_precompiled(&answer) {
            Some(wasmtime::Precompiled::Component) => Ok(answer),
            _ => Err(LoadError::Failed(
                "the compiler's result is not a compiled component".to_owned(),
            )),
        },
    }
}

/// The same compiler compiles all other components, so a component on which it crashes is rejected.
fn crashed(status: ExitStatus, said: &str) -> LoadError {
    let why = match said.contains(NO_STACK) {
        true => "it is nested so deeply that the compiler overflows its stack".to_owned(),
        false => format!("the compiler crashes on it: {status}"),
    };
    LoadError::Refused(reason(&why))
}

fn starved(used: Duration, limits: CompileLimits) -> LoadError {
    LoadError::Busy(format!(
        "the machine is too busy: the compiler got {used:?} of processor time within {:?}; try again later",
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
