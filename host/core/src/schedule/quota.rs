//! Quotas of an object type on one node: calls, messages and wake-ups for alarms per second.
//!
//! Each quota is a token bucket that holds the requests of one second.

use std::time::Duration;

use super::bucket::Bucket;
use crate::clock::BootTime;

/// Kind of a request that a quota limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Call by a client or by an object.
    Call,
    /// Delivery of a message.
    Message,
    /// Wake-up because of an alarm.
    Alarm,
}

impl Kind {
    /// Returns the name of its setting in the section `types.NAME`.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            Self::Call => "calls_per_second",
            Self::Message => "messages_per_second",
            Self::Alarm => "alarms_per_second",
        }
    }
}

/// One quota.
#[derive(Debug)]
pub struct Quota {
    bucket: Bucket,
    cost: Duration,
}

impl Quota {
    /// Creates a quota for this many requests per second, at least one.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        let second = Duration::from_secs(1);
        Self { bucket: Bucket::new(100, second), cost: second / per_second.max(1) }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The time after which a request may pass, if the quota is used up. The request was not counted.
    pub fn take(&self, now: BootTime) -> Result<(), Duration> {
        if self.bucket.take(self.cost, now) { Ok(()) } else { Err(self.cost) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(100_000 + ms))
    }

    #[test]
    fn a_second_holds_as_many_requests_as_the_quota() {
        let quota = Quota::new(10);
        let passed = |now| (0..100).filter(|_| quota.take(at(now)).is_ok()).count();
        assert_eq!(passed(0), 10, "the bucket is full at first");
        assert_eq!(passed(99), 0);
        assert_eq!(quota.take(at(99)), Err(Duration::from_millis(100)));
        assert_eq!(passed(100), 1);
        assert_eq!(passed(600), 5);
        assert_eq!(passed(60_000), 10, "an idle type saves up no more than a second");
    }

    #[test]
    fn over_time_no_more_requests_pass_than_the_quota() {
        let quota = Quota::new(50);
        let passed = (0..10_000).filter(|ms| quota.take(at(*ms)).is_ok()).count();
        assert!((540..=551).contains(&passed), "{passed}");
    }
}
