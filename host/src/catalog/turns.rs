//! One at a time for each type: who reads a type waits for nobody who reads another.
//! A type that nobody reads costs nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

type Lane = Arc<tokio::sync::Mutex<()>>;

/// The lanes of those types that are being read.
#[derive(Debug, Default)]
pub(super) struct Turns {
    lanes: Mutex<HashMap<Box<str>, Lane>>,
}

/// The turn of one reader, over when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    type_name: Box<str>,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits until nobody else reads the type. Cancel safe.
    pub(super) async fn take(&self, type_name: &str) -> Turn<'_> {
        let lane = Arc::clone(self.lanes().entry(type_name.into()).or_default());
        // Made before it waits, so that one who goes away cleans up too.
        let mut turn = Turn { turns: self, type_name: type_name.into(), held: None };
        turn.held = Some(lane.lock_owned().await);
        turn
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<Box<str>, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut lanes = self.turns.lanes();
        drop(self.held.take());
        // Nobody holds it and nobody waits: the others are made under this lock.
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
        let turns = Turns::default();
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
        assert_eq!(turns.lanes().len(), 2);
        drop((second, other));
        assert!(turns.lanes().is_empty());
    }
}
