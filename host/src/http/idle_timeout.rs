//! Connection timeouts: a pure decision on how a connection proceeds, and the timer that evaluates it periodically.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, Interval, interval};

use super::Config;
use super::connection_io::{Activity, Phase};
use super::unsent::Outbox;

/// Minimum interval between two checks.
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(50);
/// Maximum time for which a response may stay unread while the node has little room for more of them.
const WRITE_TIMEOUT_PRESSED: Duration = Duration::from_secs(5);
/// Time after a client's last activity during which it may still send a request while the node closes. A client that
/// has just connected, or that calls repeatedly, gets one more response, which announces the end of the connection.
const LAST_REQUEST_TIME: Duration = Duration::from_millis(500);
/// Minimum time that an HTTP/2 client has to acknowledge the end of its connection.
const GOODBYE_TIME: Duration = Duration::from_secs(1);

/// Timeouts of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    header: Duration,
    idle: Duration,
    write: Duration,
}

/// Decision on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Stay,
    /// Complete requests in progress and accept no more.
    Finish,
    Drop,
}

/// State of a connection at one check.
#[derive(Debug, Clone, Copy)]
struct View {
    phase: Phase,
    /// Time since the last change.
    quiet: Duration,
    /// Age of the oldest piece of a response that the client has not read, if any.
    unread: Option<Duration>,
    /// Whether the node has little room left for unread responses.
    is_pressed: bool,
    /// Time since the node started to close its connections, if it has.
    closing: Option<Duration>,
    /// Whether the protocol reports to the client which of its requests were not processed.
    is_told_what_is_lost: bool,
}

impl Limits {
    fn judge(&self, view: &View) -> Verdict {
        let pressed = if view.is_pressed { WRITE_TIMEOUT_PRESSED } else { Duration::MAX };
        if view.unread.is_some_and(|age| age >= self.write.min(pressed)) {
            return Verdict::Drop;
        }
        let is_under_way =
            matches!(view.phase, Phase::Answer | Phase::Stream) || view.unread.is_some();
        if is_under_way {
            // The body and the call have separate timeouts.
            return if view.closing.is_some() { Verdict::Finish } else { Verdict::Stay };
        }
        let is_half_sent = view.phase == Phase::Head;
        let limit = if is_half_sent { self.header } else { self.idle };
        let is_quiet = view.quiet >= LAST_REQUEST_TIME.min(limit);
        match view.closing {
            None if view.quiet < limit => Verdict::Stay,
            None => Verdict::Drop,
            Some(time) if view.is_told_what_is_lost => match is_quiet && time >= GOODBYE_TIME {
                true => Verdict::Drop,
                false => Verdict::Finish,
            },
            Some(_) if !is_quiet => Verdict::Stay,
            Some(_) if is_half_sent => Verdict::Drop,
            Some(_) => Verdict::Finish,
        }
    }
}

/// Monitors the timeouts of one connection.
#[derive(Debug)]
pub(super) struct IdleTimeout {
    activity: Arc<Activity>,
    outbox: Outbox,
    limits: Limits,
    seen: (Phase, u64),
    since: Instant,
    look: Interval,
    closing_since: Option<Instant>,
}

impl IdleTimeout {
    pub(super) fn new(activity: Arc<Activity>, outbox: Outbox, config: &Config) -> Self {
        let (header, idle) = (config.header_timeout, config.idle_timeout);
        let limits = Limits { header, idle, write: config.write_timeout };
        // Five checks per timeout enforce it with an error of a fifth at most, at little cost.
        let pause = header.min(idle).min(limits.write) / 5;
        let look = interval(pause.max(LOOK_PAUSE_MIN));
        let (seen, since) = (activity.observe(), Instant::now());
        Self { activity, outbox, limits, seen, since, look, closing_since: None }
    }

    /// Records that the node closes its connections.
    pub(super) fn begin_closing(&mut self) {
        self.closing_since = Some(Instant::now());
        self.look = interval(LOOK_PAUSE_MIN);
    }

    /// Returns when the connection must not stay as it is.
    pub(super) async fn is_over(&mut self) -> Verdict {
        loop {
            let now = self.look.tick().await;
            let (seen, unread) = (self.activity.observe(), self.outbox.oldest_unread());
            if seen != self.seen || unread.is_some() {
                (self.seen, self.since) = (seen, now);
            }
            let verdict = self.limits.judge(&View {
                phase: seen.0,
                quiet: now.saturating_duration_since(self.since),
                unread: unread.map(|since| now.saturating_duration_since(since)),
                is_pressed: self.outbox.is_pressed(),
                closing: self.closing_since.map(|since| now.saturating_duration_since(since)),
                is_told_what_is_lost: self.activity.is_told_what_is_lost(),
            });
            if verdict != Verdict::Stay {
                return verdict;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        header: Duration::from_secs(5),
        idle: Duration::from_mins(1),
        write: Duration::from_secs(30),
    };

    fn view(phase: Phase, quiet_ms: u64) -> View {
        View {
            phase,
            quiet: Duration::from_millis(quiet_ms),
            unread: None,
            is_pressed: false,
            closing: None,
            is_told_what_is_lost: false,
        }
    }

    #[test]
    fn heads_and_pauses_have_their_limits_and_answers_do_not() {
        for (phase, quiet_ms, expected) in [
            (Phase::Head, 4_999, Verdict::Stay),
            (Phase::Head, 5_000, Verdict::Drop),
            (Phase::Request, 59_999, Verdict::Stay),
            (Phase::Request, 60_000, Verdict::Drop),
            (Phase::Answer, 1_000_000, Verdict::Stay),
            (Phase::Stream, 1_000_000, Verdict::Stay),
        ] {
            assert_eq!(LIMITS.judge(&view(phase, quiet_ms)), expected, "{phase:?} {quiet_ms}");
        }
    }

    #[test]
    fn who_leaves_an_answer_unread_is_dropped_sooner_where_there_is_little_room() {
        for phase in [Phase::Head, Phase::Answer, Phase::Request, Phase::Stream] {
            for (unread, is_pressed, expected) in [
                (29, false, Verdict::Stay),
                (30, false, Verdict::Drop),
                (4, true, Verdict::Stay),
                (5, true, Verdict::Drop),
            ] {
                let unread = Some(Duration::from_secs(unread));
                let view = View { unread, is_pressed, ..view(phase, 1_000_000) };
                assert_eq!(LIMITS.judge(&view), expected, "{view:?}");
            }
        }
    }

    #[test]
    fn a_closing_node_lets_end_what_is_under_way_and_waits_a_moment_for_a_request() {
        for (phase, quiet_ms, expected) in [
            (Phase::Head, 499, Verdict::Stay),
            (Phase::Head, 500, Verdict::Drop),
            (Phase::Request, 499, Verdict::Stay),
            (Phase::Request, 500, Verdict::Finish),
            (Phase::Answer, 0, Verdict::Finish),
            (Phase::Stream, 0, Verdict::Finish),
        ] {
            let view = View { closing: Some(Duration::ZERO), ..view(phase, quiet_ms) };
            assert_eq!(LIMITS.judge(&view), expected, "{phase:?} {quiet_ms}");
            let view = View { unread: Some(Duration::ZERO), ..view };
            assert_eq!(LIMITS.judge(&view), Verdict::Finish, "the response is being sent");
        }
    }

    #[test]
    fn a_client_that_is_told_what_is_lost_is_told_at_once_and_has_a_second_to_agree() {
        for (phase, quiet_ms, closing_ms, expected) in [
            (Phase::Request, 0, 0, Verdict::Finish),
            (Phase::Request, 60_000, 999, Verdict::Finish),
            (Phase::Request, 499, 1_000, Verdict::Finish),
            (Phase::Request, 500, 1_000, Verdict::Drop),
            (Phase::Answer, 60_000, 60_000, Verdict::Finish),
        ] {
            let closing = Some(Duration::from_millis(closing_ms));
            let view = View { closing, is_told_what_is_lost: true, ..view(phase, quiet_ms) };
            assert_eq!(LIMITS.judge(&view), expected, "{view:?}");
        }
    }
}
