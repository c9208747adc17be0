//! Places of watchers on a node (pure), with dynamic thresholds: a caller, and likewise an object, holds at most as
//! many places as are free. So one of them alone gets half of the places, and a newcomer finds room.

use std::collections::HashMap;
use std::hash::Hash;

use crate::caller::Caller;
use crate::error::{Error, ErrorCode};
use crate::id::ObjectId;

/// Maximum number of clients that watch an object through one node.
pub const WATCHERS_MAX: usize = 65_536;

/// Watchers of a node, counted by caller and by object. Only those that hold places need memory.
#[derive(Debug)]
pub struct Watchers {
    max: usize,
    count: usize,
    by_caller: HashMap<Box<str>, usize>,
    by_object: HashMap<ObjectId, usize>,
}

impl Default for Watchers {
    fn default() -> Self {
        Self::new(WATCHERS_MAX)
    }
}

impl Watchers {
    /// Creates `max` free places.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, count: 0, by_caller: HashMap::new(), by_object: HashMap::new() }
    }

    /// Takes a place for a caller that watches an object. Callers without a token are one caller.
    ///
    /// # Errors
    /// [`ErrorCode::NodeFull`] if the caller, or the object, holds as many places as are free.
    pub fn enter(&mut self, caller: &Caller, id: &ObjectId) -> Result<(), Error> {
        let name: Box<str> = caller.to_string().into();
        let free = self.max.saturating_sub(self.count);
        let by_caller = self.by_caller.get(&name).copied().unwrap_or(0);
        let by_object = self.by_object.get(id).copied().unwrap_or(0);
        let why = if by_caller >= free {
            format!("{by_caller} watchers of {caller} are connected")
        } else if by_object >= free {
            format!("{by_object} watchers of it are connected")
        } else {
            self.count += 1;
            *self.by_caller.entry(name).or_default() += 1;
            *self.by_object.entry(id.clone()).or_default() += 1;
            return Ok(());
        };
        let text = format!("{id} cannot be watched through this node: {why}, as many as may be");
        Err(Error::new(ErrorCode::NodeFull, text).with_hint("watch it through another node"))
    }

    /// Returns a place that a caller took for an object.
    pub fn leave(&mut self, caller: &Caller, id: &ObjectId) {
        self.count = self.count.saturating_sub(1);
        remove_one(&mut self.by_caller, &Box::from(caller.to_string()));
        remove_one(&mut self.by_object, id);
    }
}

fn remove_one<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Principal;
    use crate::caller::scopes::Scopes;

    fn caller(name: &str) -> Caller {
        Principal::new(name, Scopes::default()).unwrap().into()
    }

    fn id(key: usize) -> ObjectId {
        ObjectId::new("todo", &key.to_string()).unwrap()
    }

    #[test]
    fn one_greedy_caller_gets_half_and_a_newcomer_finds_a_place() {
        let mut watchers = Watchers::new(64);
        let greedy = caller("greedy");
        let taken = (0..64).filter(|key| watchers.enter(&greedy, &id(*key)).is_ok()).count();
        assert_eq!(taken, 32);
        let full = watchers.enter(&greedy, &id(99)).unwrap_err();
        assert_eq!(full.code, ErrorCode::NodeFull);
        assert!(full.message.contains("32 watchers of greedy"), "{full}");
        watchers.enter(&caller("other"), &id(0)).unwrap();
        for key in 0..32 {
            watchers.leave(&greedy, &id(key));
        }
        watchers.leave(&caller("other"), &id(0));
        assert_eq!((watchers.count, watchers.by_caller.len(), watchers.by_object.len()), (0, 0, 0));
    }

    #[test]
    fn one_popular_object_leaves_room_for_the_others() {
        let mut watchers = Watchers::new(64);
        let taken =
            (0..64).filter(|number| watchers.enter(&caller(&format!("c{number}")), &id(1)).is_ok());
        assert_eq!(taken.count(), 32);
        let full = watchers.enter(&caller("other"), &id(1)).unwrap_err();
        assert!(
            full.message.contains("todo/1") && full.message.contains("watchers of it"),
            "{full}"
        );
        watchers.enter(&caller("other"), &id(2)).unwrap();
    }
}
