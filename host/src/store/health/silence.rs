//! Tracks since when requests have been unanswered.
//!
//! [`Count`] holds the logic and takes the time as an argument; [`Silence`] guards one and reads the clock. A
//! request that ends without an answer counts as unanswered, even if its caller dropped it.

use std::time::Duration;

use highlander_core::clock::BootTime;
use highlander_system::clock;
use parking_lot::Mutex;

/// Tracker of unanswered requests.
#[derive(Debug, Default)]
pub(super) struct Silence(Mutex<Count>);

/// A pending request. Dropping it counts as unanswered.
#[derive(Debug)]
#[must_use]
pub(super) struct Open<'a>(Option<&'a Silence>);

impl Silence {
    pub(super) fn begin(&self) -> Open<'_> {
        self.0.lock().begin(clock::now());
        Open(Some(self))
    }

    pub(super) fn lasts(&self) -> Duration {
        self.0.lock().since.map_or(Duration::ZERO, |since| clock::now().since(since))
    }
}

impl Open<'_> {
    pub(super) fn answered(mut self) {
        if let Some(silence) = self.0.take() {
            silence.0.lock().answered(clock::now());
        }
    }

    /// Ends the request with an answer that is no evidence either way.
    pub(super) fn says_nothing(mut self) {
        if let Some(silence) = self.0.take() {
            silence.0.lock().says_nothing(clock::now());
        }
    }

    pub(super) fn ended(self, is_answered: bool) {
        if is_answered {
            self.answered();
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let Some(silence) = self.0.take() {
            silence.0.lock().unanswered();
        }
    }
}

#[derive(Debug, Default)]
struct Count {
    open: usize,
    /// Start of the first request that has been unanswered since the last answer.
    since: Option<BootTime>,
    /// Whether a request since then has ended without an answer.
    has_failed: bool,
}

impl Count {
    fn begin(&mut self, now: BootTime) {
        self.open += 1;
        self.since.get_or_insert(now);
    }

    fn answered(&mut self, now: BootTime) {
        self.has_failed = false;
        self.says_nothing(now);
    }

    fn says_nothing(&mut self, now: BootTime) {
        self.open -= 1;
        if !self.has_failed {
            self.since = (self.open > 0).then_some(now);
        }
    }

    fn unanswered(&mut self) {
        self.open -= 1;
        self.has_failed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    enum Step {
        Begin,
        Answered,
        Unanswered,
        SaysNothing,
    }
    use Step::{Answered, Begin, SaysNothing, Unanswered};

    /// Returns since when requests are unanswered after `steps`, each at its second.
    fn since(steps: &[(u64, Step)]) -> Option<u64> {
        let mut count = Count::default();
        for (second, step) in steps {
            let now = BootTime::from_boot(Duration::from_secs(*second));
            match step {
                Begin => count.begin(now),
                Answered => count.answered(now),
                Unanswered => count.unanswered(),
                SaysNothing => count.says_nothing(now),
            }
        }
        count.since.map(|since| since.since(BootTime::from_boot(Duration::ZERO)).as_secs())
    }

    #[test]
    fn silence_begins_with_the_first_request_without_an_answer() {
        assert_eq!(since(&[]), None);
        assert_eq!(since(&[(1, Begin)]), Some(1), "before the request is abandoned");
        assert_eq!(since(&[(1, Begin), (6, Unanswered)]), Some(1));
        assert_eq!(since(&[(1, Begin), (6, Unanswered), (7, Begin)]), Some(1));
        assert_eq!(since(&[(1, Begin), (2, Begin), (6, Unanswered), (7, Unanswered)]), Some(1));
    }

    #[test]
    fn an_answer_ends_it_and_open_requests_count_anew() {
        assert_eq!(since(&[(1, Begin), (2, Answered)]), None);
        assert_eq!(since(&[(1, Begin), (6, Unanswered), (7, Begin), (8, Answered)]), None);
        assert_eq!(since(&[(1, Begin), (2, Begin), (3, Answered)]), Some(3));
        assert_eq!(since(&[(1, Begin), (2, Begin), (3, Answered), (4, Answered)]), None);
    }

    #[test]
    fn an_answer_that_says_nothing_neither_begins_nor_ends_it() {
        assert_eq!(since(&[(1, Begin), (2, SaysNothing)]), None);
        assert_eq!(since(&[(1, Begin), (6, Unanswered), (7, Begin), (8, SaysNothing)]), Some(1));
        assert_eq!(since(&[(1, Begin), (2, Begin), (3, SaysNothing)]), Some(3));
    }

    #[test]
    fn a_request_that_nobody_waits_for_was_not_answered() {
        let silence = Silence::default();
        drop(silence.begin());
        assert!(silence.0.lock().has_failed);
        silence.begin().answered();
        assert_eq!(silence.lasts(), Duration::ZERO);
    }
}
