//! Sandbox of the compiling child, which it enters before it reads the first byte of hostile input.
//!
//! The child drops its own privileges as its first step, so that no unsafe code runs between fork and exec, and
//! dropped privileges cannot be regained. It dies with its parent, has a low priority, and is the kernel's first
//! victim when memory runs out. With no descriptor beyond the three standard ones it can open no file and no
//! socket, and [`syscalls`] permits few other system calls. If the kernel does not support such a filter, the child
//! continues without it.

use std::time::Duration;
use std::{fs, io, process};

use clap::Args;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, getpriority_process, getrlimit,
    set_parent_process_death_signal, setpriority_process, setrlimit,
};

use super::answer::say;
use super::limits::CompileLimits;
use super::syscalls;

/// Standard input, output and error.
const DESCRIPTORS_MAX: u64 = 3;
/// Gives the child about a tenth of the node's share of a contended processor. At the lowest priority, published
/// code would hardly be compiled on a node that has just taken over another node's objects.
const NICE: i32 = 10;

/// Limits of a child, as arguments of its command.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Confinement {
    /// Address space, in bytes
    #[arg(long)]
    memory_max: u64,
    /// Processor time, in seconds
    #[arg(long)]
    cpu_max: u64,
    /// Size of the answer, in bytes
    #[arg(long)]
    answer_max: u64,
    /// Process that it ends with
    #[arg(long)]
    parent: i32,
}

impl Confinement {
    /// Returns the limits for a child of this process.
    pub(super) fn of_child(limits: CompileLimits, answer_max: u64) -> Self {
        Self {
            memory_max: limits.memory_max,
            cpu_max: seconds(limits.time_max),
            answer_max,
            parent: process::id().cast_signed(),
        }
    }

    /// Returns the arguments of the child's command.
    pub(super) fn to_arguments(&self) -> Vec<String> {
        vec![
            format!("--memory-max={}", self.memory_max),
            format!("--cpu-max={}", self.cpu_max),
            format!("--answer-max={}", self.answer_max),
            format!("--parent={}", self.parent),
        ]
    }

    /// Drops all privileges irrevocably.
    pub(super) fn enter(&self) -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid().map(Pid::as_raw_pid) != Some(self.parent) {
            return Err(io::Error::other("the node that started this process has ended"));
        }
        close_inherited()?;
        // A node with a higher nice value cannot lower it for the child.
        setpriority_process(None, getpriority_process(None)?.max(NICE))?;
        // Without this the kernel could kill the node itself. That would be worse, but it is no reason not to
        // compile.
        let _ = fs::write("/proc/self/oom_score_adj", "1000");
        lower(Resource::As, self.memory_max, self.memory_max)?;
        // At the soft limit the kernel sends a signal that states the reason; at the hard limit it just kills.
        lower(Resource::Cpu, self.cpu_max, self.cpu_max + 1)?;
        lower(Resource::Fsize, self.answer_max, self.answer_max)?;
        lower(Resource::Core, 0, 0)?;
        lower(Resource::Nofile, DESCRIPTORS_MAX, DESCRIPTORS_MAX)?;
        if let Err(error) = syscalls::restrict() {
            say(&format!("the kernel does not support system call filters: {error}"));
        }
        Ok(())
    }
}

/// Rounds up to whole seconds, at least one.
fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

/// Closes every descriptor except the standard ones. A node opens none that a child would inherit, but may itself
/// have inherited some from its parent process.
fn close_inherited() -> io::Result<()> {
    let names = fs::read_dir("/proc/self/fd")?.map(|entry| Ok(entry?.file_name()));
    let names = names.collect::<io::Result<Vec<_>>>()?;
    let numbers = names.iter().filter_map(|name| name.to_str()?.parse::<u32>().ok());
    for number in numbers.filter(|number| u64::from(*number) >= DESCRIPTORS_MAX) {
        close(number.cast_signed());
    }
    Ok(())
}

#[allow(
    unsafe_code,
    reason = "no safe function closes a descriptor that nothing in this process owns"
)]
fn close(number: i32) {
    // SAFETY: this is the first step of a process with one thread, in which nothing owns a descriptor except the
    // three standard ones. The directory that the numbers were read from is already closed, and its number is
    // unused.
    let _ = unsafe { libc::close(number) };
}

/// Lowers a limit permanently. A limit that is already lower remains.
fn lower(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let present = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let (current, maximum) = (current.min(present), maximum.min(present));
    setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) })?;
    Ok(())
}
