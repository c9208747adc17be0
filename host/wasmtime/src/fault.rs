//! Converts errors of wasmtime to faults. Texts are truncated and escaped, so that no path or address of the host
//! gets out.

use highlander_core::engine::Fault;
use wasmtime::{Error, PoolConcurrencyLimitError, Trap, WasmBacktrace};

use super::budget::CpuSpent;
use super::config::TRAP_DEPTH_MAX;
use super::host_state::HostState;
use super::memory::NodeMemoryFull;
use super::text::{cut, escape};
use super::wasi::Exited;

/// Length limit for the text of a fault.
const TEXT_BYTES_MAX: usize = 1024;
/// wasmtime's message when a guest exceeds the limit of data passed to the host; the error type is not public.
const TRANSFER_EXHAUSTED: &str = "fuel allocated for hostcalls has been exhausted";

/// Returns the fault for an error.
pub(super) fn fault_of(error: &Error, guest: &HostState) -> Fault {
    if error.is::<CpuSpent>() {
        return Fault::Cpu(guest.budget.max());
    }
    if error.is::<NodeMemoryFull>() {
        return Fault::NodeMemoryFull(guest.memory.node_max());
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Fault::Exhausted("too many instances are live".to_owned());
    }
    if error.is::<std::io::Error>() || error.is::<wasmtime::error::OutOfMemory>() {
        return Fault::Exhausted("the host is out of memory".to_owned());
    }
    let trap = error.downcast_ref::<Trap>();
    if trap.is_some_and(|trap| is_stack_overflow(*trap, error)) {
        return Fault::Stack;
    }
    // A guest whose allocation fails usually traps in its own way.
    if let Some(limit) = guest.memory.exceeded() {
        return Fault::Memory(limit);
    }
    let reason = match trap {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    if reason.contains(TRANSFER_EXHAUSTED) {
        return Fault::HostCalls;
    }
    let reason = reason.strip_prefix("wasm trap: ").unwrap_or(&reason);
    let text = match guest.last_words() {
        Some(words) if trap.is_some() || error.is::<Exited>() => format!("{reason}: {words}"),
        _ => reason.to_owned(),
    };
    Fault::Trapped(cut(&escape(&text), TEXT_BYTES_MAX).to_owned())
}

/// Whether the trap is a stack overflow. Compiled languages keep a second stack in the guest's own memory. It
/// usually overflows first, at the lower end of the memory and deep in calls.
fn is_stack_overflow(trap: Trap, error: &Error) -> bool {
    let depth = || error.downcast_ref::<WasmBacktrace>().map_or(0, |trace| trace.frames().len());
    match trap {
        Trap::StackOverflow => true,
        Trap::MemoryOutOfBounds => depth() >= TRAP_DEPTH_MAX,
        _ => false,
    }
}
