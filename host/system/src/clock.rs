//! Clocks. Decisions use [`now`]; [`wall_ms`] is for display. No other module reads a clock.

use std::time::Duration;

use highlander_core::clock::BootTime;
use rustix::time::{ClockId, clock_gettime};

/// Returns the current instant.
#[must_use]
pub fn now() -> BootTime {
    BootTime::from_boot(read(ClockId::Boottime))
}

/// Returns the wall-clock time in milliseconds since 1970. For people and guests, never for decisions.
#[must_use]
pub fn wall_ms() -> u64 {
    u64::try_from(read(ClockId::Realtime).as_millis()).unwrap_or(u64::MAX)
}

/// Returns the CPU time that the calling thread has used.
#[must_use]
pub fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
