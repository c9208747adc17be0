//! Order in which pieces of background work start, and the places that the started ones hold.
//!
//! Object types take turns, and the work of one type starts in the order of its arrival. A type may hold at most as
//! many places as are free (dynamic threshold; Choudhury and Hahne, 1998): one busy type gets half of them, and a type
//! that comes later always finds some.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Waiting work by type, and the number of places in use.
#[derive(Debug)]
pub struct Turns<T> {
    places: usize,
    in_use: usize,
    waiting: usize,
    types: HashMap<Arc<str>, Line<T>>,
    /// Types with waiting work, each once. The first has its turn.
    order: VecDeque<Arc<str>>,
}

/// Work of one type.
#[derive(Debug)]
struct Line<T> {
    waiting: VecDeque<T>,
    in_use: usize,
}

impl<T> Turns<T> {
    /// Creates the turns for this number of places.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self { places, in_use: 0, waiting: 0, types: HashMap::new(), order: VecDeque::new() }
    }

    /// Adds work of a type.
    pub fn push(&mut self, type_name: &str, work: T) {
        if let Some(line) = self.types.get_mut(type_name) {
            line.waiting.push_back(work);
            if line.waiting.len() == 1 {
                let known = self.types.get_key_value(type_name);
                self.order.extend(known.map(|(name, _)| Arc::clone(name)));
            }
        } else {
            let name: Arc<str> = type_name.into();
            self.order.push_back(Arc::clone(&name));
            self.types.insert(name, Line { waiting: VecDeque::from([work]), in_use: 0 });
        }
        self.waiting += 1;
    }

    /// Removes the work that starts next. It holds a place until [`Turns::end`]. `None` if no work is waiting, or if
    /// every type with waiting work holds as many places as it may.
    pub fn start(&mut self) -> Option<(Arc<str>, T)> {
        if !self.can_start() {
            return None;
        }
        for _ in 0..self.order.len() {
            let type_name = self.order.pop_front()?;
            let free = self.places - self.in_use;
            let line = self.types.get_mut(&type_name)?;
            if line.in_use >= free {
                self.order.push_back(type_name);
                continue;
            }
            let work = line.waiting.pop_front()?;
            line.in_use += 1;
            self.in_use += 1;
            self.waiting -= 1;
            if !line.waiting.is_empty() {
                self.order.push_back(type_name.clone());
            }
            return Some((type_name, work));
        }
        None
    }

    /// Whether work is waiting and a place is free.
    #[must_use]
    pub fn can_start(&self) -> bool {
        self.waiting > 0 && self.in_use < self.places
    }

    /// Frees the place of work that has ended.
    pub fn end(&mut self, type_name: &str) {
        let Some(line) = self.types.get_mut(type_name) else { return };
        line.in_use = line.in_use.saturating_sub(1);
        self.in_use = self.in_use.saturating_sub(1);
        if line.in_use == 0 && line.waiting.is_empty() {
            self.types.remove(type_name);
        }
    }

    /// Returns the number of waiting pieces of work.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Returns the number of places in use.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.in_use
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(places: usize, work: &[(&str, u32)]) -> Turns<u32> {
        let mut turns = Turns::new(places);
        for (type_name, number) in work {
            turns.push(type_name, *number);
        }
        turns
    }

    fn start_all(turns: &mut Turns<u32>) -> Vec<(String, u32)> {
        let started = std::iter::from_fn(|| turns.start());
        started.map(|(type_name, number)| (type_name.to_string(), number)).collect()
    }

    #[test]
    fn types_take_turns_and_each_keeps_its_order() {
        let mut turns = with(100, &[("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)]);
        let order: Vec<_> = start_all(&mut turns).into_iter().map(|(_, number)| number).collect();
        assert_eq!(order, [1, 4, 5, 2, 6, 3]);
        assert_eq!((turns.waiting(), turns.in_use()), (0, 6));
    }

    #[test]
    fn one_busy_type_holds_half_and_a_newcomer_finds_a_place() {
        let many: Vec<_> = (0..100).map(|number| ("busy", number)).collect();
        let mut turns = with(64, &many);
        assert_eq!(start_all(&mut turns).len(), 32);
        turns.push("new", 0);
        assert_eq!(start_all(&mut turns), [("new".to_owned(), 0)]);
        turns.end("busy");
        turns.end("new");
        assert_eq!(start_all(&mut turns).len(), 1, "the free place goes to the waiting type");
    }

    #[test]
    fn all_work_starts_once_and_all_places_become_free() {
        let work = |number: u32| (["a", "b", "c"][number as usize % 3], number);
        let many: Vec<_> = (0..300).map(work).collect();
        let mut turns = with(7, &many);
        let mut ended = Vec::new();
        while turns.waiting() > 0 {
            let started = start_all(&mut turns);
            assert!(!started.is_empty() && turns.in_use() <= 7);
            for (type_name, number) in started {
                turns.end(&type_name);
                ended.push(number);
            }
        }
        ended.sort_unstable();
        assert_eq!(ended, (0..300).collect::<Vec<_>>());
        assert_eq!(turns.in_use(), 0);
        assert!(turns.types.is_empty() && turns.order.is_empty(), "types are forgotten");
    }

    #[test]
    fn the_last_place_is_given_away_too() {
        let mut turns = with(1, &[("a", 1), ("b", 2)]);
        assert_eq!(start_all(&mut turns), [("a".to_owned(), 1)]);
        turns.end("a");
        assert_eq!(start_all(&mut turns), [("b".to_owned(), 2)]);
    }
}
