//! What a compiling child gives up before it reads its first byte of hostile input.
//!
//! It does so itself, as its first step: that needs no unsafe code between fork and exec, and what is given up cannot
//! be taken back. It dies with its parent, yields to everybody else on the machine, and is the first to go
//! where memory runs out. With no descriptor beyond the three standard ones it can open no file and no socket, and
//! [`syscalls`] leaves it little else to ask the kernel for. Where the kernel has no such filter it goes on without.

use std::time::Duration;
use std::{fs, io, process};

use clap::Args;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, getpriority_process, getrlimit,
    set_parent_process_death_signal, setpriority_process, setrlimit,
};

use super::inside::say;
use super::{CompileLimits, syscalls};

/// Standard input, output and error.
const DESCRIPTORS_MAX: u64 = 3;
/// A tenth of the node's share of a processor that both want. With the lowest priority there is, code that is already
/// published would hardly be compiled on a node that has just taken the objects of another one over.
const NICE: i32 = 10;

/// What a child may take, as the arguments of its command.
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
    /// That of a child of this process.
    pub(super) fn of_child(limits: CompileLimits, answer_max: u64) -> Self {
        Self {
            memory_max: limits.memory_max,
            cpu_max: seconds(limits.time_max),
            answer_max,
            parent: process::id().cast_signed(),
        }
    }

    /// What the command is told.
    pub(super) fn to_arguments(&self) -> Vec<String> {
        vec![
            format!("--memory-max={}", self.memory_max),
            format!("--cpu-max={}", self.cpu_max),
            format!("--answer-max={}", self.answer_max),
            format!("--parent={}", self.parent),
        ]
    }

    /// Gives everything up. There is no way back.
    pub(super) fn enter(&self) -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid().map(Pid::as_raw_pid) != Some(self.parent) {
            return Err(io::Error::other("the node that wanted this has ended"));
        }
        close_inherited()?;
        // A node that is nicer itself has no right to give more than it has.
        setpriority_process(None, getpriority_process(None)?.max(NICE))?;
        // Without it the node itself could be chosen, which is worse, but no reason not to compile.
        let _ = fs::write("/proc/self/oom_score_adj", "1000");
        lower(Resource::As, self.memory_max, self.memory_max)?;
        // At the first limit the kernel says why it ends the child, at the second one it would not.
        lower(Resource::Cpu, self.cpu_max, self.cpu_max + 1)?;
        lower(Resource::Fsize, self.answer_max, self.answer_max)?;
        lower(Resource::Core, 0, 0)?;
        lower(Resource::Nofile, DESCRIPTORS_MAX, DESCRIPTORS_MAX)?;
        if let Err(error) = syscalls::restrict() {
            say(&format!("the kernel has no filter for system calls: {error}"));
        }
        Ok(())
    }
}

/// Whole seconds, and one at least.
fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

/// Closes whatever it was not given on purpose. A node opens nothing that a child would inherit, but may itself have
/// inherited something from whoever started it.
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
    // SAFETY: this is the first step of a process with one thread, in which nothing holds a descriptor but the three
    // standard ones. The folder that the numbers were read from is closed already, and its number means nothing.
    let _ = unsafe { libc::close(number) };
}

/// Lowers a limit for good; where it is lower already it stays so.
fn lower(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let present = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let (current, maximum) = (current.min(present), maximum.min(present));
    setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) })?;
    Ok(())
}
