//! Which alarm is due, and what follows from having given it, or from a handler that failed.
//! What the handler does is not known here.

use std::sync::Arc;
use std::time::Duration;

use crate::effects::Alarm;
use crate::limits::{ALARM_PAUSE_MAX, ALARM_PAUSE_MIN, ALARM_TRIES_MAX};
use crate::store::record::dealings::Dealings;

/// What follows from an alarm whose handler failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// It is given again later.
    Again,
    /// It is given no more, or not before its next time.
    GivenUp,
}

impl Dealings {
    /// When the first alarm is to be given.
    #[must_use]
    pub fn next_alarm_ms(&self) -> Option<u64> {
        self.alarms.iter().flat_map(|alarms| alarms.iter()).map(Alarm::next_ms).min()
    }

    /// The alarm that has waited longest of those that are to be given at `now_ms`.
    #[must_use]
    pub fn due_alarm(&self, now_ms: u64) -> Option<&Alarm> {
        let alarms = self.alarms.iter().flat_map(|alarms| alarms.iter());
        alarms.filter(|alarm| alarm.next_ms() <= now_ms).min_by_key(|alarm| alarm.next_ms())
    }

    /// The alarms after this one was given: it is set to its next time, or is there no more. Times that were missed
    /// are passed over.
    #[must_use]
    pub fn alarms_after(&self, name: &str, now_ms: u64) -> Option<Arc<[Alarm]>> {
        self.with_alarm(name, |alarm| {
            let every_ms = alarm.every_ms?;
            let passed = now_ms.saturating_sub(alarm.due_ms) / every_ms.max(1);
            let due_ms = alarm.due_ms.saturating_add((passed + 1).saturating_mul(every_ms));
            Some(Alarm { due_ms, tries: 0, retry_ms: 0, ..alarm })
        })
    }

    /// Takes in that the handler of this alarm failed.
    pub fn alarm_failed(&mut self, name: &str, now_ms: u64) -> Failed {
        let known = self.alarms.iter().flat_map(|alarms| alarms.iter());
        let tries = known.filter(|alarm| &*alarm.name == name).map(|alarm| alarm.tries + 1).max();
        if tries.is_some_and(|tries| tries >= ALARM_TRIES_MAX) {
            self.alarms = self.alarms_after(name, now_ms);
            return Failed::GivenUp;
        }
        self.alarms = self.with_alarm(name, |alarm| {
            let retry_ms = now_ms.saturating_add(pause(alarm.tries).as_millis() as u64);
            Some(Alarm { tries: alarm.tries + 1, retry_ms, ..alarm })
        });
        Failed::Again
    }

    fn with_alarm(
        &self,
        name: &str,
        change: impl Fn(Alarm) -> Option<Alarm>,
    ) -> Option<Arc<[Alarm]>> {
        let alarms = self.alarms.iter().flat_map(|alarms| alarms.iter().cloned());
        let is_it = |alarm: &Alarm| &*alarm.name == name;
        let changed =
            alarms.filter_map(|alarm| if is_it(&alarm) { change(alarm) } else { Some(alarm) });
        let changed: Vec<_> = changed.collect();
        (!changed.is_empty()).then(|| changed.into())
    }
}

/// The pause after this many failures before.
fn pause(tries: u32) -> Duration {
    (ALARM_PAUSE_MIN * 2_u32.pow(tries.min(16))).min(ALARM_PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(name: &str, due_ms: u64, every_ms: Option<u64>) -> Alarm {
        Alarm::new(name, due_ms, every_ms, "ring", "null")
    }

    fn dealings(alarms: &[Alarm]) -> Dealings {
        Dealings { alarms: Some(alarms.into()), ..Dealings::default() }
    }

    #[test]
    fn the_alarm_that_waits_longest_comes_first_and_none_before_its_time() {
        let dealings = dealings(&[alarm("a", 300, None), alarm("b", 200, None)]);
        assert_eq!(dealings.next_alarm_ms(), Some(200));
        assert_eq!(dealings.due_alarm(199), None);
        assert_eq!(dealings.due_alarm(400).map(|alarm| &*alarm.name), Some("b"));
        assert_eq!(Dealings::default().next_alarm_ms(), None);
    }

    #[test]
    fn times_that_were_missed_become_one() {
        let dealings = dealings(&[alarm("once", 1, None), alarm("often", 1_000, Some(1_000))]);
        for (now_ms, due_ms) in [(1_000, 2_000), (1_999, 2_000), (2_000, 3_000), (9_500, 10_000)] {
            let after = dealings.alarms_after("often", now_ms).unwrap();
            assert_eq!(after.last().map(|alarm| alarm.due_ms), Some(due_ms), "at {now_ms}");
        }
        let after = dealings.alarms_after("once", 5).unwrap();
        assert_eq!(after.iter().map(|alarm| &*alarm.name).collect::<Vec<_>>(), ["often"]);
    }

    #[test]
    fn a_failing_alarm_is_given_again_at_growing_pauses_and_then_given_up() {
        let mut dealings = dealings(&[alarm("a", 1_000, Some(60_000))]);
        let mut pauses = Vec::new();
        let mut now_ms = 1_000;
        while dealings.alarm_failed("a", now_ms) == Failed::Again {
            let next_ms = dealings.next_alarm_ms().unwrap();
            assert_eq!(dealings.due_alarm(next_ms).map(|alarm| alarm.due_ms), Some(1_000));
            pauses.push((next_ms - now_ms) / 1_000);
            now_ms = next_ms;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(dealings.next_alarm_ms(), Some(181_000), "it goes on at its next time");
        let mut once = self::dealings(&[alarm("a", 1_000, None)]);
        while once.alarm_failed("a", 2_000) == Failed::Again {}
        assert_eq!(once.alarms, None);
    }
}
