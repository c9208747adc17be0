//! Until when a session's claims may be trusted: arithmetic without a clock, a lock or I/O.
//!
//! The servers end a session that was silent for the session timeout *T*, so a lease lasts *T* from a moment at which
//! they certainly had heard of it. Answers to reads and pings prove nothing: a server that is cut off from its leader
//! goes on giving them. An answered write proves that the leader had not ended the session, but not that it counts
//! the time from there: a server that follows reports the sessions it heard of only each half tick, in answer to the
//! leader's ping. The report of a heartbeat is on the same stream as the requests, so an answered *later* heartbeat,
//! sent more than half a tick after it, proves that it arrived. The lease therefore counts from the newest heartbeat
//! that has such a witness; with heartbeats each sixth of *T* that is the last but one.
//!
//! Clients are not told the tick. What is needed is that half of it is below [`witness_gap`](Lease::witness_gap),
//! which holds for timeouts of four ticks and more. Servers round expiry up to the next tick, so that their part of
//! the margin is on the safe side, and 1 % of *T* remains for clocks of different speed.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::BootTime;

/// Heartbeats in one session timeout.
pub(super) const BEATS_PER_TIMEOUT: u32 = 6;

/// Whether the lease rises with heartbeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Holds,
    /// It ran out, and a heartbeat since then came too late. The claims are to be looked at.
    Lapsed,
    /// It ran out, and the claims were looked at since then.
    Checked,
    /// The session is over.
    Over,
}

/// The lease of one session.
#[derive(Debug)]
pub(super) struct Lease {
    timeout: Duration,
    phase: Phase,
    until: BootTime,
    /// When the newest heartbeat was sent that the leader certainly heard of.
    heard: BootTime,
    /// When later heartbeats were sent that were answered, oldest first.
    answered: VecDeque<BootTime>,
}

impl Lease {
    /// The lease of a session that was asked for at `begun`: beginning a session is a write that the leader counts
    /// from.
    pub(super) fn new(timeout: Duration, begun: BootTime) -> Self {
        let mut lease = Self {
            timeout,
            phase: Phase::Holds,
            until: begun,
            heard: begun,
            answered: VecDeque::new(),
        };
        lease.until = lease.earned();
        lease
    }

    /// How much later a heartbeat must have been sent to be the witness of an earlier one: a little less than the
    /// time between two, so that one that was sent early still is.
    pub(super) fn witness_gap(timeout: Duration) -> Duration {
        timeout * 9 / 10 / BEATS_PER_TIMEOUT
    }

    /// Takes note that the heartbeat sent at `sent` was answered. Says whether the claims must be looked at before
    /// the lease can hold again.
    #[must_use]
    pub(super) fn acknowledge(&mut self, sent: BootTime, now: BootTime) -> bool {
        self.note(sent);
        if self.phase == Phase::Holds {
            if now >= self.until {
                self.phase = Phase::Lapsed;
            } else {
                self.until = self.until.max(self.earned());
            }
        }
        self.has_lapsed()
    }

    /// Whether the lease ran out, and the claims were not looked at since then.
    pub(super) fn has_lapsed(&self) -> bool {
        self.phase == Phase::Lapsed
    }

    /// Takes note that the claims were looked at, after the last heartbeat of which [`acknowledge`](Self::acknowledge)
    /// asked for that.
    pub(super) fn check(&mut self) {
        if self.phase == Phase::Lapsed {
            self.phase = Phase::Checked;
        }
    }

    /// Lets the lease hold again, if the claims were looked at and heartbeats allow it. Says whether it does now and
    /// did not before.
    pub(super) fn resume(&mut self, now: BootTime) -> bool {
        if self.phase != Phase::Checked {
            return false;
        }
        if self.earned() <= now {
            self.phase = Phase::Lapsed;
            return false;
        }
        self.until = self.until.max(self.earned());
        self.phase = Phase::Holds;
        true
    }

    /// Ends it for good. Says whether it was not ended before.
    pub(super) fn end(&mut self) -> bool {
        let is_first = self.phase != Phase::Over;
        self.phase = Phase::Over;
        self.until = BootTime::from_boot(Duration::ZERO);
        is_first
    }

    /// Until when claims may be trusted.
    pub(super) fn until(&self) -> BootTime {
        self.until
    }

    fn earned(&self) -> BootTime {
        self.heard + self.timeout * 99 / 100
    }

    fn note(&mut self, sent: BootTime) {
        let place = self.answered.partition_point(|other| *other <= sent);
        self.answered.insert(place, sent);
        let Some(newest) = self.answered.back().copied() else { return };
        let gap = Self::witness_gap(self.timeout);
        while let Some(oldest) = self.answered.front().copied()
            && newest.since(oldest) >= gap
        {
            self.heard = self.heard.max(oldest);
            self.answered.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T = 6 s: a heartbeat each second, and 60 ms for the clocks.
    const TIMEOUT: Duration = Duration::from_secs(6);

    fn at(ms: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(100_000 + ms))
    }

    fn lease() -> Lease {
        Lease::new(TIMEOUT, at(0))
    }

    #[test]
    fn a_lease_counts_from_the_newest_heartbeat_with_a_witness() {
        // (sent, answered, until)
        let table = [
            (100, 110, 5940),
            (1000, 1010, 6040),
            // Too early to be a witness of the one before.
            (1500, 1510, 6040),
            (2000, 2010, 6940),
            (2100, 2110, 6940),
            // An answer that arrives out of order counts for what it is.
            (4100, 4110, 8040),
            (3100, 4200, 9040),
            (9030, 9039, 10_040),
        ];
        let mut lease = lease();
        assert_eq!(lease.until(), at(5940));
        for (sent, answered, until) in table {
            assert!(!lease.acknowledge(at(sent), at(answered)), "{sent}");
            assert_eq!(lease.until(), at(until), "after {sent}");
        }
    }

    #[test]
    fn it_never_falls_and_never_outlasts_what_was_heard() {
        let mut lease = lease();
        let mut state: u64 = 7;
        let mut now = 0;
        for _ in 0..10_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            now += (state >> 33) % 900;
            let before = lease.until();
            let _ = lease.acknowledge(at(now), at(now + 5));
            assert!(lease.until() >= before);
            let longest = TIMEOUT * 99 / 100 - Lease::witness_gap(TIMEOUT);
            assert!(lease.until() <= (at(now) + longest).max(at(5940)));
        }
    }

    #[test]
    fn a_late_heartbeat_asks_for_a_look_before_the_lease_holds_again() {
        let mut lease = lease();
        assert!(lease.acknowledge(at(6000), at(6010)));
        assert!(lease.acknowledge(at(7000), at(7010)));
        assert_eq!(lease.until(), at(5940), "unchanged until the claims were looked at");
        assert!(!lease.resume(at(7020)), "they were not looked at");
        lease.check();
        assert!(lease.resume(at(7020)));
        assert_eq!(lease.until(), at(11_940));
        assert!(!lease.acknowledge(at(8000), at(8010)));
        assert_eq!(lease.until(), at(12_940));
    }

    #[test]
    fn a_look_that_took_too_long_is_to_be_repeated() {
        let mut lease = lease();
        assert!(lease.acknowledge(at(6000), at(6010)));
        lease.check();
        assert!(!lease.resume(at(6020)), "nothing since the beginning has a witness");
        assert!(lease.acknowledge(at(7000), at(7010)), "it asks again");
        lease.check();
        assert!(!lease.resume(at(13_000)));
        assert!(lease.acknowledge(at(13_000), at(13_010)));
    }

    #[test]
    fn the_last_moment_is_not_within_the_lease() {
        assert!(!lease().acknowledge(at(5000), at(5939)));
        assert!(lease().acknowledge(at(5000), at(5940)));
    }

    #[test]
    fn nothing_raises_the_lease_of_a_session_that_is_over() {
        let mut lease = lease();
        let _ = lease.acknowledge(at(1000), at(1010));
        assert!(lease.end());
        assert!(!lease.end(), "it ends once");
        assert!(!lease.acknowledge(at(2000), at(2010)));
        lease.check();
        assert!(!lease.resume(at(2020)));
        assert_eq!(lease.until(), BootTime::from_boot(Duration::ZERO));
    }
}
