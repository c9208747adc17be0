//! Clocks. Decisions use [`BootTime`]; [`wall_ms`] is for display.
//!
//! [`BootTime`] reads `CLOCK_BOOTTIME`, which advances while the machine is suspended, because a resumed node must
//! notice that its lease has expired. No other module reads a clock; pure code receives the time as an argument.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Instant of this machine's boot-time clock, with a resolution of one nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(Duration);

impl BootTime {
    /// Instant later than all others.
    pub const FOREVER: Self = Self(Duration::MAX);

    /// Returns the current instant.
    #[must_use]
    pub fn now() -> Self {
        Self(read(ClockId::Boottime))
    }

    /// Returns the instant `since_boot` after the machine started. For tests and simulations.
    #[must_use]
    pub const fn from_boot(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    /// Returns the time elapsed since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for BootTime {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
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
