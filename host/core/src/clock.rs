//! Time as an argument: [`BootTime`]. Nothing in this crate reads a clock.

use std::time::Duration;

/// Instant of this machine's boot-time clock (`CLOCK_BOOTTIME`), with a resolution of one nanosecond.
///
/// The clock advances while the machine is suspended, because a resumed node must notice that its lease has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(Duration);

impl BootTime {
    /// Instant later than all others.
    pub const FOREVER: Self = Self(Duration::MAX);

    /// Returns the instant `since_boot` after the machine started.
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
