//! Clocks. Decisions use [`now`]; `wall_ms` is for display. No other module reads a clock.
//!
//! A node needs the clocks of Linux. Other systems run the client alone, which only limits how long it waits.

#[cfg(target_os = "linux")]
use std::cell::Cell;
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

/// Elapsed time up to which [`CpuMeter`] takes it for processor time.
#[cfg(target_os = "linux")]
const ELAPSED_MAX: Duration = Duration::from_micros(100);
/// Age up to which an earlier reading of the thread's clock is used again.
#[cfg(target_os = "linux")]
const READING_AGE_MAX: Duration = Duration::from_micros(500);

#[cfg(target_os = "linux")]
thread_local! {
    /// A reading of the thread's clock, and its time.
    static READING: Cell<(BootTime, Duration)> =
        const { Cell::new((BootTime::from_boot(Duration::ZERO), Duration::ZERO)) };
}

/// Processor time of a short piece of work on one thread, at the cost of two readings of the boot clock.
///
/// The clock of the thread is a system call. It is read at intervals, and after work that took long: the thread may
/// have been preempted meanwhile, which must not count. The result is never too high by more than [`ELAPSED_MAX`].
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct CpuMeter(BootTime);

#[cfg(target_os = "linux")]
impl CpuMeter {
    /// Begins the measurement.
    #[must_use]
    pub fn begin() -> Self {
        let now = now();
        if now.since(READING.get().0) > READING_AGE_MAX {
            READING.set((now, thread_cpu()));
        }
        Self(now)
    }

    /// Returns the processor time since the beginning, and the current instant. Must be called on the same thread.
    #[must_use]
    pub fn end(self) -> (Duration, BootTime) {
        let now = now();
        let elapsed = now.since(self.0);
        if elapsed <= ELAPSED_MAX {
            return (elapsed, now);
        }
        let (read_at, cpu) = READING.get();
        let before = self.0.since(read_at);
        let used = thread_cpu().saturating_sub(cpu).saturating_sub(before);
        (used.min(elapsed), now)
    }
}

#[cfg(target_os = "linux")]
fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_meter_counts_work_and_not_waiting() {
        let meter = CpuMeter::begin();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let waited = receiver.recv_timeout(Duration::from_millis(50));
        drop(sender);
        let (used, _) = meter.end();
        assert!(waited.is_err() && used < Duration::from_millis(25), "{used:?}");
        let meter = CpuMeter::begin();
        let began = thread_cpu();
        while thread_cpu().saturating_sub(began) < Duration::from_millis(5) {}
        let (used, _) = meter.end();
        assert!(used >= Duration::from_millis(4), "{used:?}");
    }
}
