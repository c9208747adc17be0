//! How fast a node begins activations: each costs the registry and the store a request or two, and many objects may
//! want to come back at the same moment, as after the loss of a node.
//!
//! Those who wait are served in the order in which they came.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::BootTime;

/// Activations that may be under way at a time.
const UNDER_WAY_MAX: usize = 256;
/// For how long unused starts are kept for a burst.
const BURST: Duration = Duration::from_millis(250);

/// Lets a bounded number of activations per second begin.
#[derive(Debug)]
pub struct Gate {
    places: Semaphore,
    /// Time that one start takes up.
    interval: Duration,
    /// When the next start is free.
    next: Mutex<BootTime>,
}

/// The right to be one of the activations under way.
#[derive(Debug)]
pub struct Pass<'a> {
    _place: SemaphorePermit<'a>,
}

impl Gate {
    /// A gate for so many starts per second; at least one.
    #[must_use]
    pub fn new(rate_per_s: u32) -> Self {
        Self {
            places: Semaphore::new(UNDER_WAY_MAX),
            interval: Duration::from_secs(1) / rate_per_s.max(1),
            next: Mutex::new(BootTime::from_boot(Duration::ZERO)),
        }
    }

    /// Waits for a turn.
    ///
    /// # Cancel safety
    /// A turn that was reached is lost.
    pub async fn pass(&self) -> Pass<'_> {
        // The semaphore is never closed.
        let place = self.places.acquire().await.expect("the gate stays open");
        let pause = self.reserve(BootTime::now());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Pass { _place: place }
    }

    /// How long to wait from `now` for the start that is reserved here.
    fn reserve(&self, now: BootTime) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let start = *next;
        let unused = now.since(start);
        // Starts that nobody took are given to a burst, up to a bound.
        let from = if unused > BURST { start + (unused - BURST) } else { start };
        *next = from + self.interval;
        from.since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(ms))
    }

    #[test]
    fn starts_beyond_the_burst_are_spread_by_the_rate() {
        let gate = Gate::new(100);
        let pauses: Vec<_> = (0..60).map(|_| gate.reserve(at(10_000)).as_millis()).collect();
        assert_eq!(pauses.iter().filter(|pause| **pause == 0).count(), 26, "{pauses:?}");
        assert_eq!(pauses.last(), Some(&340));
    }

    #[test]
    fn a_pause_earns_no_more_than_the_burst() {
        let gate = Gate::new(100);
        gate.reserve(at(1_000));
        let free = (0..100).filter(|_| gate.reserve(at(100_000)).is_zero()).count();
        assert_eq!(free, 26);
    }
}
