//! Lease of a session: the time until which its claims may be trusted. Pure arithmetic without a clock, a lock or
//! I/O.
//!
//! The servers end a session that is silent for the session timeout *T*. A lease therefore lasts *T* from a moment
//! at which the leader has certainly heard of the session.
//!
//! Answers to reads and pings prove nothing: a server that is cut off from its leader still answers them. An
//! answered write proves that the leader had not ended the session, but not that the leader restarted the
//! session's timeout. A follower reports the sessions that it has heard from only every half tick, in reply to the
//! leader's ping. That report travels on the same stream as the requests. So the answer to a *later* heartbeat,
//! sent more than half a tick after an earlier one, proves that the report of the earlier one has arrived: the
//! later heartbeat is its witness. The lease counts from the newest heartbeat with a witness. With a heartbeat
//! every sixth of *T*, that is the last but one.
//!
//! Clients cannot query the tick. The lease requires half a tick to be shorter than
//! [`witness_gap`](Lease::witness_gap), which holds for timeouts of at least four ticks. Servers round expiry up
//! to the next tick, so their error is on the safe side. A margin of 1 % of *T* covers clocks that run at
//! different speeds.

use std::collections::VecDeque;
use std::time::Duration;

use highlander_core::clock::BootTime;

/// Heartbeats per session timeout.
pub(super) const BEATS_PER_TIMEOUT: u32 = 6;

/// Whether heartbeats extend the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Holds,
    /// The lease expired, and a heartbeat was answered only afterwards. The claims must be checked.
    Lapsed,
    /// The lease expired, and the claims have been checked since then.
    Checked,
    /// The session has ended.
    Over,
}

/// The lease of one session.
#[derive(Debug)]
pub(super) struct Lease {
    timeout: Duration,
    phase: Phase,
    until: BootTime,
    /// Send time of the newest heartbeat that the leader has certainly heard of.
    heard: BootTime,
    /// Send times of later answered heartbeats, oldest first.
    answered: VecDeque<BootTime>,
}

impl Lease {
    /// Creates the lease of a session that was requested at `begun`. Opening a session is a write from which the
    /// leader counts the timeout.
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

    /// Minimum interval between the send times of a heartbeat and its witness. It is slightly shorter than the
    /// heartbeat interval, so that a heartbeat that was sent a little early still qualifies.
    pub(super) fn witness_gap(timeout: Duration) -> Duration {
        timeout * 9 / 10 / BEATS_PER_TIMEOUT
    }

    /// Records the answer to the heartbeat that was sent at `sent`. Returns whether the claims must be checked
    /// before the lease can be valid again.
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

    /// Whether the lease has expired and the claims have not been checked since.
    pub(super) fn has_lapsed(&self) -> bool {
        self.phase == Phase::Lapsed
    }

    /// Records that the claims were checked after the last heartbeat for which [`acknowledge`](Self::acknowledge)
    /// required it.
    pub(super) fn check(&mut self) {
        if self.phase == Phase::Lapsed {
            self.phase = Phase::Checked;
        }
    }

    /// Makes the lease valid again if the claims were checked and the heartbeats suffice. Returns whether it
    /// became valid by this call.
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

    /// Ends the lease permanently. Returns `false` if it had already ended.
    pub(super) fn end(&mut self) -> bool {
        let is_first = self.phase != Phase::Over;
        self.phase = Phase::Over;
        self.until = BootTime::from_boot(Duration::ZERO);
        is_first
    }

    /// Returns the end of the lease.
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

    /// T = 6 s: one heartbeat per second, and a clock margin of 60 ms.
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
            // Too early to be a witness of the previous one.
            (1500, 1510, 6040),
            (2000, 2010, 6940),
            (2100, 2110, 6940),
            // Answers may arrive out of order; only the send times count.
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
        assert_eq!(lease.until(), at(5940), "unchanged until the claims were checked");
        assert!(!lease.resume(at(7020)), "they were not checked");
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
        assert!(!lease.resume(at(6020)), "no request since the start was acknowledged");
        assert!(lease.acknowledge(at(7000), at(7010)), "it requests again");
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
