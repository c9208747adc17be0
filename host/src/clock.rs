//! Time. [`BootTime`] decides, [`wall_ms`] is only ever shown.
//!
//! Decisions use `CLOCK_BOOTTIME`, which goes on while the machine sleeps, because a node that wakes up must see that
//! its lease is over. Nothing else in the host reads a clock; pure code is handed the time.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment by this machine's boot-time clock, with a resolution of one nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(Duration);

impl BootTime {
    /// Later than every other moment.
    pub const FOREVER: Self = Self(Duration::MAX);

    /// The present moment.
    #[must_use]
    pub fn now() -> Self {
        Self(read(ClockId::Boottime))
    }

    /// The moment `since_boot` after the machine started: for tests and simulations.
    #[must_use]
    pub const fn from_boot(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    /// How long after `earlier` this is; zero where it is before.
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

/// Milliseconds since 1970 by the wall clock: for people and for guests, never for a decision.
#[must_use]
pub fn wall_ms() -> u64 {
    u64::try_from(read(ClockId::Realtime).as_millis()).unwrap_or(u64::MAX)
}

/// Processor time that the calling thread has used.
#[must_use]
pub fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
