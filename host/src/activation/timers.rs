//! When the alarms of this node's objects are due: one list for all of them, so that an object needs no timer of its
//! own.
//!
//! What is far away is not kept here: the index of those to be woken has it. The list is a hint; which alarm is due is
//! in the object's record.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::id::ObjectId;

/// How far ahead alarms are kept.
const AHEAD_MS: u64 = 150_000;

/// The objects that are to be woken soon.
#[derive(Debug, Default)]
pub struct Timers {
    list: Mutex<List>,
    /// Rung when the first of them is another one.
    pub changed: Notify,
}

#[derive(Debug, Default)]
struct List {
    by_time: BTreeSet<(u64, ObjectId)>,
    by_object: HashMap<ObjectId, u64>,
}

impl Timers {
    /// The object is to be woken at `at_ms`, in milliseconds since 1970-01-01 00:00 UTC, and not before, unless that is
    /// far from `now_ms`.
    pub fn set(&self, id: &ObjectId, at_ms: u64, now_ms: u64) {
        let mut list = self.list();
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

    /// When the next object is to be woken.
    #[must_use]
    pub fn next_ms(&self) -> Option<u64> {
        self.list().by_time.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes out the objects whose time has come, at most `count`.
    #[must_use]
    pub fn take_due(&self, now_ms: u64, count: usize) -> Vec<ObjectId> {
        let mut list = self.list();
        let mut due = Vec::new();
        while due.len() < count && list.by_time.first().is_some_and(|(at_ms, _)| *at_ms <= now_ms) {
            let Some((_, id)) = list.by_time.pop_first() else { break };
            list.by_object.remove(&id);
            due.push(id);
        }
        due
    }

    fn list(&self) -> MutexGuard<'_, List> {
        // A panic between two changes leaves at most an object that is woken for nothing.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert_eq!(timers.take_due(25, 1), [id("b")]);
        assert_eq!(timers.take_due(25, 9), [id("a")]);
        assert!(timers.take_due(25, 9).is_empty());
        assert_eq!(timers.next_ms(), Some(30));
    }

    #[test]
    fn what_is_far_away_is_not_kept() {
        let timers = Timers::default();
        timers.set(&id("a"), 10, 0);
        timers.set(&id("a"), AHEAD_MS + 1, 0);
        assert_eq!(timers.next_ms(), None);
    }
}
