//! Selection of due alarms, and rescheduling after an alarm fired or its handler failed.

use std::sync::Arc;
use std::time::Duration;

use crate::backoff::backoff;
use crate::effects::Alarm;
use crate::limits::{
    ALARM_FLOOR, ALARM_PAUSE_MAX, ALARM_PAUSE_MIN, ALARM_TRIES_MAX, ALARMS_MAX, FAILED_ALARMS_MAX,
};
use crate::store::record::effects::{DurableEffects, FailedAlarm};

/// Consequence of a failed alarm handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// The alarm fires again later.
    Again,
    /// The alarm repeats, and fires again at its next regular time.
    PassedOver,
    /// The alarm is given up and kept as a failed alarm with this number.
    Kept(u64),
}

/// Reason why a failed alarm cannot be set again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRetried {
    /// Another alarm with its name is set.
    #[error("another alarm {0} is set")]
    NameTaken(Arc<str>),
    /// The object has the maximum number of alarms.
    #[error("it has {ALARMS_MAX} alarms, which is the limit")]
    Full,
}

impl DurableEffects {
    /// Returns when the earliest alarm is due.
    #[must_use]
    pub fn next_alarm_ms(&self) -> Option<u64> {
        self.alarms.iter().flat_map(|alarms| alarms.iter()).map(Alarm::next_ms).min()
    }

    /// Returns the alarm that is due at `now_ms` and has been due for longest.
    #[must_use]
    pub fn due_alarm(&self, now_ms: u64) -> Option<&Alarm> {
        let alarms = self.alarms.iter().flat_map(|alarms| alarms.iter());
        alarms.filter(|alarm| alarm.next_ms() <= now_ms).min_by_key(|alarm| alarm.next_ms())
    }

    /// Returns the alarms after this one fired: it is rescheduled to its next time, or removed if it does not repeat.
    /// Missed repetitions are skipped.
    #[must_use]
    pub fn alarms_after(&self, name: &str, now_ms: u64) -> Option<Arc<[Alarm]>> {
        self.with_alarm(name, |alarm| {
            let every_ms = alarm.every_ms?;
            let passed = now_ms.saturating_sub(alarm.due_ms) / every_ms.max(1);
            let due_ms = alarm.due_ms.saturating_add((passed + 1).saturating_mul(every_ms));
            Some(Alarm { due_ms, tries: 0, retry_ms: 0, failure: None, ..alarm })
        })
    }

    /// Replaces the alarms by those that the handler of an alarm has set. `before` are the alarms that it saw. A new
    /// alarm fires [`ALARM_FLOOR`] after `now_ms` at the earliest.
    pub fn set_by_alarm(&mut self, set: &[Alarm], before: Option<&[Alarm]>, now_ms: u64) {
        let floor_ms = now_ms.saturating_add(ALARM_FLOOR.as_millis() as u64);
        let floored = |alarm: &Alarm| match before.unwrap_or_default().contains(alarm) {
            true => alarm.clone(),
            false => Alarm { retry_ms: alarm.retry_ms.max(floor_ms), ..alarm.clone() },
        };
        self.alarms = (!set.is_empty()).then(|| set.iter().map(floored).collect());
    }

    /// Records that the handler of this alarm failed, with the reason.
    pub fn alarm_failed(&mut self, name: &str, why: &Arc<str>, now_ms: u64) -> Failed {
        let mut known = self.alarms.iter().flat_map(|alarms| alarms.iter());
        let Some(alarm) = known.find(|alarm| &*alarm.name == name).cloned() else {
            return Failed::Again;
        };
        let failed =
            Alarm { tries: alarm.tries + 1, failure: Some(Arc::clone(why)), ..alarm.clone() };
        if failed.tries < ALARM_TRIES_MAX {
            let retry_ms = now_ms.saturating_add(pause(alarm.tries).as_millis() as u64);
            self.alarms = self.with_alarm(name, |_| Some(Alarm { retry_ms, ..failed.clone() }));
            return Failed::Again;
        }
        self.alarms = self.alarms_after(name, now_ms);
        if alarm.every_ms.is_some() {
            let failure = failed.failure;
            self.alarms =
                self.with_alarm(name, |alarm| Some(Alarm { failure: failure.clone(), ..alarm }));
            return Failed::PassedOver;
        }
        self.failures += 1;
        self.failed.push(FailedAlarm { number: self.failures, alarm: failed, time_ms: now_ms });
        let surplus = self.failed.len().saturating_sub(FAILED_ALARMS_MAX);
        self.failed.drain(..surplus);
        Failed::Kept(self.failures)
    }

    /// Sets failed alarms again: the one with this number, or all that can be set. They are due immediately, and keep
    /// the time at which they were originally due. Returns their count.
    ///
    /// # Errors
    /// [`NotRetried`], if a number was given; nothing was changed.
    pub fn retry_alarms(&mut self, number: Option<u64>) -> Result<usize, NotRetried> {
        let mut alarms: Vec<Alarm> =
            self.alarms.iter().flat_map(|alarms| alarms.iter().cloned()).collect();
        let mut retried = Vec::new();
        let is_chosen = |failed: &&FailedAlarm| number.is_none_or(|number| failed.number == number);
        for failed in self.failed.iter().filter(is_chosen) {
            let refused = match alarms.binary_search_by(|known| known.name.cmp(&failed.alarm.name))
            {
                Ok(_) => NotRetried::NameTaken(Arc::clone(&failed.alarm.name)),
                Err(_) if alarms.len() >= ALARMS_MAX => NotRetried::Full,
                Err(index) => {
                    alarms.insert(index, Alarm { tries: 0, retry_ms: 0, ..failed.alarm.clone() });
                    retried.push(failed.number);
                    continue;
                }
            };
            if number.is_some() {
                return Err(refused);
            }
        }
        self.failed.retain(|failed| !retried.contains(&failed.number));
        self.alarms = (!alarms.is_empty()).then(|| alarms.into());
        Ok(retried.len())
    }

    /// Discards failed alarms: the one with this number, or all. Returns their count.
    pub fn drop_alarms(&mut self, number: Option<u64>) -> usize {
        let before = self.failed.len();
        self.failed.retain(|failed| number.is_some_and(|number| failed.number != number));
        before - self.failed.len()
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

/// Returns the pause before the next attempt, after this many earlier failures.
fn pause(tries: u32) -> Duration {
    backoff(ALARM_PAUSE_MIN, tries, ALARM_PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(name: &str, due_ms: u64, every_ms: Option<u64>) -> Alarm {
        Alarm::new(name, due_ms, every_ms, "ring", "null")
    }

    fn effects(alarms: &[Alarm]) -> DurableEffects {
        DurableEffects { alarms: Some(alarms.into()), ..DurableEffects::default() }
    }

    #[test]
    fn the_alarm_that_waits_longest_comes_first_and_none_before_its_time() {
        let effects = effects(&[alarm("a", 300, None), alarm("b", 200, None)]);
        assert_eq!(effects.next_alarm_ms(), Some(200));
        assert_eq!(effects.due_alarm(199), None);
        assert_eq!(effects.due_alarm(400).map(|alarm| &*alarm.name), Some("b"));
        assert_eq!(DurableEffects::default().next_alarm_ms(), None);
    }

    #[test]
    fn times_that_were_missed_become_one() {
        let effects = effects(&[alarm("once", 1, None), alarm("often", 1_000, Some(1_000))]);
        for (now_ms, due_ms) in [(1_000, 2_000), (1_999, 2_000), (2_000, 3_000), (9_500, 10_000)] {
            let after = effects.alarms_after("often", now_ms).unwrap();
            assert_eq!(after.last().map(|alarm| alarm.due_ms), Some(due_ms), "at {now_ms}");
        }
        let after = effects.alarms_after("once", 5).unwrap();
        assert_eq!(after.iter().map(|alarm| &*alarm.name).collect::<Vec<_>>(), ["often"]);
    }

    #[test]
    fn an_alarm_set_by_an_alarm_keeps_the_floor() {
        let mut effects = effects(&[alarm("kept", 900, None)]);
        let before = effects.alarms.clone();
        let set = [alarm("kept", 900, None), alarm("past", 1, None), alarm("later", 9_000, None)];
        effects.set_by_alarm(&set, before.as_deref(), 1_000);
        let next_ms = |name: &str| {
            let mut alarms = effects.alarms.iter().flat_map(|alarms| alarms.iter());
            alarms.find(|alarm| &*alarm.name == name).map(Alarm::next_ms)
        };
        assert_eq!(next_ms("kept"), Some(900), "it was set before");
        assert_eq!(next_ms("past"), Some(2_000));
        assert_eq!(next_ms("later"), Some(9_000));
        let due = effects.due_alarm(2_000).map(|alarm| (&*alarm.name, alarm.due_ms));
        assert_eq!(due, Some(("kept", 900)));
        effects.set_by_alarm(&[], None, 1_000);
        assert_eq!(effects.alarms, None);
    }

    fn fail(effects: &mut DurableEffects, name: &str) -> Failed {
        loop {
            let failed = effects.alarm_failed(name, &"no".into(), 2_000);
            if failed != Failed::Again {
                return failed;
            }
        }
    }

    fn numbers(effects: &DurableEffects) -> Vec<u64> {
        effects.failed.iter().map(|failed| failed.number).collect()
    }

    #[test]
    fn a_failing_alarm_is_given_again_at_growing_pauses_and_a_repeating_one_goes_on() {
        let mut effects = effects(&[alarm("a", 1_000, Some(60_000))]);
        let mut pauses = Vec::new();
        let mut now_ms = 1_000;
        let why = Arc::from("no");
        while effects.alarm_failed("a", &why, now_ms) == Failed::Again {
            let next_ms = effects.next_alarm_ms().unwrap();
            assert_eq!(effects.due_alarm(next_ms).map(|alarm| alarm.due_ms), Some(1_000));
            pauses.push((next_ms - now_ms) / 1_000);
            now_ms = next_ms;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(effects.next_alarm_ms(), Some(181_000), "it goes on at its next time");
        let failure =
            |effects: &DurableEffects| effects.alarms.as_ref().unwrap()[0].failure.clone();
        assert_eq!((failure(&effects).as_deref(), numbers(&effects)), (Some("no"), vec![]));
        effects.alarms = effects.alarms_after("a", 181_000);
        assert_eq!(failure(&effects), None, "until it succeeds");
    }

    #[test]
    fn a_one_time_alarm_that_was_given_up_is_kept_with_its_reason() {
        let mut effects = effects(&[alarm("a", 1_000, None)]);
        assert_eq!(fail(&mut effects, "a"), Failed::Kept(1));
        assert_eq!((effects.alarms.as_ref(), effects.next_alarm_ms()), (None, None));
        let failed = effects.failed.first().unwrap();
        assert_eq!((failed.alarm.tries, failed.time_ms), (ALARM_TRIES_MAX, 2_000));
        assert_eq!(failed.alarm.failure.as_deref(), Some("no"));
        assert_eq!(effects.retry_alarms(Some(9)), Ok(0));
        assert_eq!(effects.retry_alarms(Some(1)), Ok(1));
        let due = effects.due_alarm(2_000).map(|alarm| (alarm.due_ms, alarm.tries));
        assert_eq!((due, numbers(&effects)), (Some((1_000, 0)), vec![]));
        assert_eq!(fail(&mut effects, "a"), Failed::Kept(2), "numbers are not reused");
        assert_eq!((effects.drop_alarms(Some(1)), effects.drop_alarms(Some(2))), (0, 1));
    }

    #[test]
    fn a_failed_alarm_takes_no_other_ones_name_or_place() {
        let mut effects = effects(&[alarm("a", 1, None)]);
        fail(&mut effects, "a");
        effects.alarms = Some([alarm("a", 2, None), alarm("b", 1, None)].into());
        fail(&mut effects, "b");
        let before = effects.clone();
        assert_eq!(effects.retry_alarms(Some(1)), Err(NotRetried::NameTaken("a".into())));
        assert_eq!(effects, before);
        assert_eq!(effects.retry_alarms(None), Ok(1), "all that can be");
        assert_eq!(numbers(&effects), [1]);
        let many = (0..ALARMS_MAX).map(|n| alarm(&format!("n{n:02}"), 1, None));
        effects.alarms = Some(many.collect());
        assert_eq!(effects.retry_alarms(Some(1)), Err(NotRetried::Full));
        assert_eq!(effects.retry_alarms(None), Ok(0));
    }

    #[test]
    fn failed_alarms_are_bounded() {
        let mut effects = DurableEffects::default();
        for _ in 0..FAILED_ALARMS_MAX + 3 {
            effects.alarms = Some([alarm("a", 1, None)].into());
            fail(&mut effects, "a");
        }
        assert_eq!((effects.failed.len(), effects.failed[0].number), (FAILED_ALARMS_MAX, 4));
        assert_eq!(effects.drop_alarms(None), FAILED_ALARMS_MAX);
    }
}
