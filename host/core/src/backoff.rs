//! Exponential backoff without jitter: pure code has no random numbers.

use std::time::Duration;

/// Number of doublings after which every pause has reached its maximum.
const DOUBLINGS_MAX: u32 = 16;

/// Returns `min`, doubled this many times, but at most `max`.
#[must_use]
pub fn backoff(min: Duration, doublings: u32, max: Duration) -> Duration {
    min.saturating_mul(2_u32.pow(doublings.min(DOUBLINGS_MAX))).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_its_maximum() {
        let pause = |doublings| {
            backoff(Duration::from_millis(20), doublings, Duration::from_secs(2)).as_millis()
        };
        assert_eq!([0, 1, 2, 6, 7, 17, u32::MAX].map(pause), [20, 40, 80, 1280, 2000, 2000, 2000]);
    }
}
