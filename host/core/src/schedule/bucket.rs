//! Credit that refills at a constant rate, up to a bound: a token bucket, kept in one atomic (generic cell rate
//! algorithm, GCRA).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::BootTime;

/// Longest time for which a debt is remembered.
const DEBT_MAX: Duration = Duration::from_secs(1);

/// Credit for processor time.
#[derive(Debug)]
pub struct Bucket {
    /// Time at which the bucket is full, in nanoseconds since boot; in the past if it is full.
    full_at: AtomicU64,
    /// Rate, in percent of one core.
    percent: u64,
    /// Time in which an empty bucket becomes full, in nanoseconds.
    refill: u64,
}

impl Bucket {
    /// Creates a full bucket, which gets `percent` percent of one core and holds `burst` of processor time.
    #[must_use]
    pub fn new(percent: u32, burst: Duration) -> Self {
        let percent = u64::from(percent.max(1));
        Self { full_at: AtomicU64::new(0), percent, refill: nanos(burst) * 100 / percent }
    }

    /// Whether there is credit.
    #[must_use]
    pub fn has_credit(&self, now: BootTime) -> bool {
        self.full_at.load(Ordering::Relaxed) < since_boot(now) + self.refill
    }

    /// Takes this much credit, and returns whether there was as much.
    #[must_use]
    pub fn take(&self, amount: Duration, now: BootTime) -> bool {
        let (now, cost) = (since_boot(now), nanos(amount) * 100 / self.percent);
        let taken = |full_at: u64| {
            let full_at = full_at.max(now) + cost;
            (full_at <= now + self.refill).then_some(full_at)
        };
        self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    /// Takes credit for this much processor time, if need be on account.
    pub fn charge(&self, used: Duration, now: BootTime) {
        let (now, cost) = (since_boot(now), nanos(used) * 100 / self.percent);
        let latest = now + self.refill + nanos(DEBT_MAX);
        let charged = |full_at: u64| Some((full_at.max(now) + cost).min(latest));
        let _ = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, charged);
    }
}

fn since_boot(time: BootTime) -> u64 {
    nanos(time.since(BootTime::from_boot(Duration::ZERO)))
}

/// Returns a time in nanoseconds, at most 50 years, so that sums do not overflow.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> BootTime {
        BootTime::from_boot(Duration::from_secs(1000) + Duration::from_micros(micros))
    }

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_its_rate() {
        let bucket = Bucket::new(50, micros(2000));
        for _ in 0..20 {
            assert!(bucket.has_credit(at(0)));
            bucket.charge(micros(100), at(0));
        }
        assert!(!bucket.has_credit(at(0)), "the burst is used up");
        let mut given = 0;
        for now in 0..10_000 {
            if bucket.has_credit(at(now)) {
                bucket.charge(micros(100), at(now));
                given += 100;
            }
        }
        assert!((4900..=5100).contains(&given), "{given} µs in 10 ms, at half a core");
    }

    #[test]
    fn a_pause_earns_no_more_than_the_burst() {
        let bucket = Bucket::new(100, micros(500));
        bucket.charge(micros(100), at(0));
        let later = at(60_000_000);
        let given = (0..100).take_while(|_| {
            let is_given = bucket.has_credit(later);
            bucket.charge(micros(100), later);
            is_given
        });
        assert_eq!(given.count(), 5);
    }

    #[test]
    fn an_overrun_is_paid_for() {
        let bucket = Bucket::new(50, micros(2000));
        bucket.charge(micros(4000), at(0));
        assert!(!bucket.has_credit(at(3_900)));
        assert!(bucket.has_credit(at(4_100)));
        bucket.charge(Duration::from_hours(1), at(5_000));
        assert!(bucket.has_credit(at(1_100_000)), "no debt lasts for ever");
    }
}
