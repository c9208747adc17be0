//! Due times of the alarms of all objects on this node, in one list, so that an object needs no timer.
//!
//! Times far in the future are not kept here but in the wake-up index. The list is a hint; the object's record
//! determines which alarm is due.

use std::collections::{BTreeSet, HashMap};

use highlander_core::id::ObjectId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Maximum time ahead for which alarms are kept.
const AHEAD_MS: u64 = 150_000;

/// Objects to wake soon.
#[derive(Debug, Default)]
pub struct Timers {
    list: Mutex<List>,
    /// Notified when the earliest entry changes.
    pub changed: Notify,
}

#[derive(Debug, Default)]
struct List {
    by_time: BTreeSet<(u64, ObjectId)>,
    by_object: HashMap<ObjectId, u64>,
}

impl Timers {
    /// Sets the wake-up time of an object to `at_ms`, in milliseconds since 1970-01-01 00:00 UTC. This replaces an
    /// earlier entry. If the time is far after `now_ms`, no entry is kept. A time before `now_ms` counts as `now_ms`:
    /// an object does not pass others by setting its alarms for the past.
    pub fn set(&self, id: &ObjectId, at_ms: u64, now_ms: u64) {
        let at_ms = at_ms.max(now_ms);
        let mut list = self.list.lock();
        let before = list.by_object.remove(id);
        if let Some(before) = before {
            list.by_time.remove(&(before, id.clone()));
        }
        if at_ms > now_ms.saturating_add(AHEAD_MS) {
            return;
        }
        list.by_time.insert((at_ms, id.clone()));
        list.by_object.insert(id.clone(), at_ms);
        let is_first = list.by_time.first().is_some_and(|(_, first)| first == id);
        drop(list);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Returns the time at which the next object is due.
    #[must_use]
    pub fn next_ms(&self) -> Option<u64> {
        self.list.lock().by_time.first().map(|(at_ms, _)| *at_ms)
    }

    /// Removes and returns the objects that are due, each with its time.
    #[must_use]
    pub fn take_due(&self, now_ms: u64) -> Vec<(ObjectId, u64)> {
        let mut list = self.list.lock();
        let mut due = Vec::new();
        while list.by_time.first().is_some_and(|(at_ms, _)| *at_ms <= now_ms) {
            let Some((at_ms, id)) = list.by_time.pop_first() else { break };
            list.by_object.remove(&id);
            due.push((id, at_ms));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(key: &str) -> ObjectId {
        ObjectId::new("reminder", key).unwrap()
    }

    #[test]
    fn objects_are_due_in_the_order_of_their_times_and_once() {
        let timers = Timers::default();
        for (key, at_ms) in [("b", 20), ("a", 10), ("c", 30)] {
            timers.set(&id(key), at_ms, 0);
        }
        assert_eq!(timers.next_ms(), Some(10));
        timers.set(&id("a"), 25, 0);
        assert_eq!(timers.take_due(25), [(id("b"), 20), (id("a"), 25)]);
        assert!(timers.take_due(25).is_empty());
        assert_eq!(timers.next_ms(), Some(30));
    }

    #[test]
    fn a_time_in_the_past_passes_no_other_object() {
        let timers = Timers::default();
        timers.set(&id("b"), 10, 5);
        timers.set(&id("a"), 1, 20);
        assert_eq!(timers.take_due(20), [(id("b"), 10), (id("a"), 20)]);
    }

    #[test]
    fn what_is_far_away_is_not_kept() {
        let timers = Timers::default();
        timers.set(&id("a"), 10, 0);
        timers.set(&id("a"), AHEAD_MS + 1, 0);
        assert_eq!(timers.next_ms(), None);
    }
}
