//! Clocks. Decisions use [`now`]; `wall_ms` is for display. No other module reads a clock.
//!
//! A node needs the clocks of Linux. Other systems run the client alone, which only limits how long it waits.

#[cfg(target_os = "linux")]
use std::time::Duration;

use highlander_core::clock::BootTime;
#[cfg(target_os = "linux")]
use rustix::time::{ClockId, clock_gettime};

/// Returns the current instant.
#[cfg(target_os = "linux")]
#[must_use]
pub fn now() -> BootTime {
    BootTime::from_boot(read(ClockId::Boottime))
}

/// Returns the current instant, by a clock that begins with the first call.
#[cfg(not(target_os = "linux"))]
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the module that reads clocks")]
pub fn now() -> BootTime {
    static START: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    BootTime::from_boot(START.elapsed())
}

/// Returns the wall-clock time in milliseconds since 1970. For people and guests, never for decisions.
#[cfg(target_os = "linux")]
#[must_use]
pub fn wall_ms() -> u64 {
    u64::try_from(read(ClockId::Realtime).as_millis()).unwrap_or(u64::MAX)
}

/// Returns the CPU time that the calling thread has used.
#[cfg(target_os = "linux")]
#[must_use]
pub fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

#[cfg(target_os = "linux")]
fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
