//! Mutex per type: readers of one type take turns, readers of different types run concurrently. A type without
//! readers uses no memory.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

type Lane = Arc<tokio::sync::Mutex<()>>;

/// Mutexes of the types that are being read.
#[derive(Debug, Default)]
pub(super) struct KeyedMutex {
    lanes: Mutex<HashMap<Box<str>, Lane>>,
}

/// Guard of one reader, released on drop.
#[derive(Debug)]
pub(super) struct KeyedGuard<'a> {
    turns: &'a KeyedMutex,
    type_name: Box<str>,
    held: Option<OwnedMutexGuard<()>>,
}

impl KeyedMutex {
    /// Waits until no other reader holds the type. Cancel safe.
    pub(super) async fn take(&self, type_name: &str) -> KeyedGuard<'_> {
        let lane = Arc::clone(self.lanes.lock().entry(type_name.into()).or_default());
        // Created before the wait, so that a canceled reader cleans up too.
        let mut turn = KeyedGuard { turns: self, type_name: type_name.into(), held: None };
        turn.held = Some(lane.lock_owned().await);
        turn
    }
}

impl Drop for KeyedGuard<'_> {
    fn drop(&mut self) {
        let mut lanes = self.turns.lanes.lock();
        drop(self.held.take());
        // No other reader holds the lane or waits for it: references to it are created only under this lock.
        if lanes.get(&self.type_name).is_some_and(|lane| Arc::strong_count(lane) == 1) {
            lanes.remove(&self.type_name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readers_of_one_type_take_turns_and_leave_nothing_behind() {
        let turns = KeyedMutex::default();
        let first = turns.take("a").await;
        let other = turns.take("b").await;
        let mut second = Box::pin(turns.take("a"));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        let second = second.await;
        {
            let mut third = Box::pin(turns.take("a"));
            assert!(futures_util::poll!(&mut third).is_pending());
        }
        assert_eq!(turns.lanes.lock().len(), 2);
        drop((second, other));
        assert!(turns.lanes.lock().is_empty());
    }
}
