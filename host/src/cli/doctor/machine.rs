//! Kernel limits: memory, memory mappings, open files, address space, and a clock that advances during suspend.
//!
//! The checks only read.

use std::fs::read_to_string;
use std::time::SystemTime;

use bytesize::ByteSize;
use highlander_system::clock;
use rustix::process::{Resource, getrlimit};

use super::finding::Finding;
use crate::config::{Config, files_needed, map_count_needed, max_map_count, resident_allowed};

/// Checks that the kernel allows enough mappings for all resident instances.
pub(super) fn mappings(resident_max: u32) -> Finding {
    const CHECK: &str = "vm.max_map_count";
    let Some(count) = max_map_count() else {
        return Finding::warn(CHECK, "cannot be read", "run on Linux with /proc mounted");
    };
    let allowed = resident_allowed(count);
    let found = format!(
        "{count}, enough for {allowed} resident instances (sandbox.resident_max is {resident_max})"
    );
    if allowed >= resident_max {
        return Finding::ok(CHECK, found);
    }
    let needed = map_count_needed(resident_max);
    let mend = format!("sysctl -w vm.max_map_count={needed}, or lower sandbox.resident_max");
    Finding::warn(CHECK, found, mend)
}

/// Checks that the machine, or the control group of the process, gives the memory that objects may use.
pub(super) fn memory(config: &Config) -> Finding {
    memory_of(config.memory_total(), highlander_system::memory::available())
}

fn memory_of(total: usize, available: Option<u64>) -> Finding {
    const CHECK: &str = "memory";
    let total = total as u64;
    let shown = format!("sandbox.memory_total is {}", ByteSize(total));
    let Some(available) = available else {
        let found = format!("{shown}, but the kernel does not report how much memory there is");
        return Finding::warn(CHECK, found, "run on Linux with /proc mounted");
    };
    let found = format!("{shown} of {}", ByteSize(available));
    if total > available {
        let mend = format!("lower sandbox.memory_total to {} or less", ByteSize(available / 2));
        return Finding::fail(CHECK, found, mend);
    }
    if total > available / 10 * 8 {
        let mend = "lower sandbox.memory_total: the node itself and the compiler need memory, too";
        return Finding::warn(CHECK, found, mend);
    }
    Finding::ok(CHECK, found)
}

/// Checks that the file limit allows the configured number of connections.
pub(super) fn open_files(connections_max: u32) -> Finding {
    const CHECK: &str = "open files";
    let needed = files_needed(connections_max);
    // The node raises the soft limit at startup, so only the hard limit matters.
    match getrlimit(Resource::Nofile).maximum {
        Some(limit) if limit < needed => {
            let found = format!("the limit is {limit}, but node.connections_max needs {needed}");
            let mend = format!("ulimit -Hn {needed}, or lower node.connections_max");
            Finding::warn(CHECK, found, mend)
        }
        Some(limit) => Finding::ok(CHECK, format!("the limit is {limit}")),
        None => Finding::ok(CHECK, "there is no limit"),
    }
}

/// Checks that the sandbox may reserve address space, far more than it uses.
pub(super) fn address_space() -> Finding {
    const CHECK: &str = "address space";
    if let Some(limit) = getrlimit(Resource::As).current {
        let found = format!("limited to {limit} bytes, but the sandbox reserves terabytes");
        return Finding::fail(CHECK, found, "ulimit -v unlimited");
    }
    match read_to_string("/proc/sys/vm/overcommit_memory").as_deref().map(str::trim) {
        Ok("2") => {
            let found = "vm.overcommit_memory is 2: reserved memory counts as used";
            Finding::warn(CHECK, found, "sysctl -w vm.overcommit_memory=0")
        }
        _ => Finding::ok(CHECK, "not limited"),
    }
}

/// Checks the clock that measures leases, which must advance while the machine is suspended.
pub(super) fn clock() -> Finding {
    const CHECK: &str = "clock";
    let before = clock::now();
    // Read repeatedly, because a coarse clock does not advance for a few milliseconds.
    let moves = (0..10_000_000).any(|_| clock::now() > before);
    if !moves {
        return Finding::fail(
            CHECK,
            "CLOCK_BOOTTIME does not advance",
            "use Linux 2.6.39 or newer",
        );
    }
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let source = read_to_string(path).unwrap_or_default();
    match source.trim() {
        slow @ ("hpet" | "acpi_pm" | "jiffies") => {
            let found = format!("CLOCK_BOOTTIME advances, from the slow source {slow}");
            Finding::warn(
                CHECK,
                found,
                "check dmesg for the reason why the processor's clock source is not used",
            )
        }
        "" => Finding::ok(CHECK, "CLOCK_BOOTTIME advances"),
        source => Finding::ok(CHECK, format!("CLOCK_BOOTTIME advances, from {source}")),
    }
}

/// Checks that the date is plausible. Stores reject requests whose date is minutes off, and certificates expire by
/// date. Ownership does not depend on the wall clock.
#[allow(clippy::disallowed_methods, reason = "this check is about the wall clock")]
pub(super) fn wall_clock() -> Finding {
    const CHECK: &str = "wall clock";
    let program = std::env::current_exe().and_then(std::fs::metadata);
    let built = program.and_then(|program| program.modified());
    match built {
        Ok(built) if SystemTime::now() < built => {
            let found = "the date is wrong: earlier than this build";
            Finding::warn(CHECK, found, "timedatectl set-ntp true")
        }
        _ => Finding::ok(CHECK, "the date is plausible: later than this build"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn the_memory_of_objects_must_leave_some_for_the_node() {
        const GIB: usize = 1 << 30;
        for (total, available, verdict) in [
            (2 * GIB, Some(4 << 30), Verdict::Ok),
            (3 * GIB, Some(4 << 30), Verdict::Ok),
            (4 * GIB, Some(4 << 30), Verdict::Warn),
            (5 * GIB, Some(4 << 30), Verdict::Fail),
            (GIB, None, Verdict::Warn),
        ] {
            let finding = memory_of(total, available);
            assert_eq!(finding.verdict, verdict, "{}", finding.found);
            assert_eq!(finding.mend.is_some(), verdict != Verdict::Ok, "{}", finding.found);
        }
    }
}
