//! Limits the rate and the number of concurrent activations on a node (token bucket).
//!
//! Each activation costs the registry and the store one or two requests, and many objects may start at once, for
//! example after the loss of a node. Waiting activations start in FIFO order. If registry and store run in this
//! process, they need no protection, and only the number of concurrent activations is limited.

use std::time::Duration;

use highlander_core::clock::BootTime;
use highlander_system::clock;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Maximum number of concurrent activations.
const UNDER_WAY_MAX: usize = 256;
/// Time for which unused starts accumulate for a burst.
const BURST: Duration = Duration::from_millis(250);

/// Limits activations per second and concurrent activations.
#[derive(Debug)]
pub struct ActivationLimiter {
    places: Semaphore,
    /// Time between two starts; zero if the rate is unlimited.
    interval: Duration,
    /// Time of the next available start.
    next: Mutex<BootTime>,
}

/// Permit for one activation in progress.
#[derive(Debug)]
pub struct Permit<'a> {
    _place: SemaphorePermit<'a>,
}

impl ActivationLimiter {
    /// Returns a limiter for this many starts per second, at least one; `None` means an unlimited rate.
    #[must_use]
    pub fn new(rate_per_s: Option<u32>) -> Self {
        let interval = rate_per_s.map(|rate| Duration::from_secs(1) / rate.max(1));
        Self {
            places: Semaphore::new(UNDER_WAY_MAX),
            interval: interval.unwrap_or(Duration::ZERO),
            next: Mutex::new(BootTime::from_boot(Duration::ZERO)),
        }
    }

    /// Waits for a permit.
    ///
    /// # Cancel safety
    /// A start that was already reserved is lost.
    pub async fn pass(&self) -> Permit<'_> {
        // The semaphore is never closed.
        let place = self.places.acquire().await.expect("the semaphore is never closed");
        if !self.interval.is_zero() {
            let pause = self.reserve(clock::now());
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        Permit { _place: place }
    }

    /// Reserves a start and returns the time to wait for it from `now`.
    fn reserve(&self, now: BootTime) -> Duration {
        let mut next = self.next.lock();
        let start = *next;
        let unused = now.since(start);
        // Unused starts are available to a burst, up to a bound.
        let from = if unused > BURST { start + (unused - BURST) } else { start };
        *next = from + self.interval;
        from.since(now)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn at(ms: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(ms))
    }

    #[test]
    fn starts_beyond_the_burst_are_spread_by_the_rate() {
        let gate = ActivationLimiter::new(Some(100));
        let pauses: Vec<_> = (0..60).map(|_| gate.reserve(at(10_000)).as_millis()).collect();
        assert_eq!(pauses.iter().filter(|pause| **pause == 0).count(), 26, "{pauses:?}");
        assert_eq!(pauses.last(), Some(&340));
    }

    #[test]
    fn a_pause_earns_no_more_than_the_burst() {
        let gate = ActivationLimiter::new(Some(100));
        gate.reserve(at(1_000));
        let free = (0..100).filter(|_| gate.reserve(at(100_000)).is_zero()).count();
        assert_eq!(free, 26);
    }

    #[test]
    fn without_a_rate_only_the_number_under_way_is_bounded() {
        let gate = ActivationLimiter::new(None);
        for _ in 0..100 {
            let passes: Vec<_> = (0..UNDER_WAY_MAX).map(|_| gate.pass().now_or_never()).collect();
            assert!(passes.iter().all(Option::is_some), "a start waited");
            assert!(
                gate.pass().now_or_never().is_none(),
                "more are under way than there are places"
            );
        }
    }
}
