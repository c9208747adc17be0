//! The order of the calls that wait for guest threads: hierarchical start-time fair queueing (H-SFQ).
//!
//! Processor time is shared between ranks, within a rank between object types by weight, and within a type between
//! objects; the calls of one object are in order. A call runs one slice at a time. Its first slice is due at once.
//! After it, at most [`LONG_STARTED`] calls of a type go on, and the others wait in order: if all went on in turns,
//! none of many would end in time.
//!
//! Goyal, Guo and Vin, "A hierarchical CPU scheduler for multimedia operating systems", OSDI 1996.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::level::Level;
use crate::call_context::Rank;

/// Time for which a call is charged when its slice begins; the difference is settled when it ends.
const SLICE: Duration = Duration::from_millis(2);
/// Maximum number of calls of one type that go on after their first slice. Calls that wait for other objects do not
/// count.
const LONG_STARTED: usize = 8;
/// Weight of a type that has none.
pub const WEIGHT: u32 = 100;

/// Returns the weight of a rank: clients have nine tenths of the time if both need more than there is.
fn weight_of(rank: Rank) -> u32 {
    match rank {
        Rank::Client => 9,
        Rank::Background => 1,
    }
}

/// Share that pays for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payer {
    /// Rank of the call.
    pub rank: Rank,
    /// Name of the object type.
    pub type_name: Arc<str>,
    /// Weight of the type.
    pub weight: u32,
    /// Name of the object.
    pub object: Arc<str>,
}

/// A call that runs: returned when its slice begins, and needed when it ends.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    payer: Arc<Payer>,
    is_long: bool,
}

#[derive(Debug)]
struct Waiting<T> {
    payer: Arc<Payer>,
    call: T,
    /// Whether it is one of the long calls that go on.
    is_long: bool,
}

type Objects<T> = Level<Arc<str>, VecDeque<Waiting<T>>>;

#[derive(Debug)]
struct OfType<T> {
    objects: Objects<T>,
    /// Number of long calls that go on.
    long_count: usize,
    /// Long calls that wait for one of them to end.
    held: VecDeque<Waiting<T>>,
}

/// Waiting calls, in the order of their shares.
#[derive(Debug)]
pub struct Shares<T> {
    ranks: Level<Rank, Level<Arc<str>, OfType<T>>>,
    len: usize,
}

impl<T> Default for Shares<T> {
    fn default() -> Self {
        Self { ranks: Level::new(), len: 0 }
    }
}

impl<T> Shares<T> {
    /// Returns the number of calls that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no call waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a call that is new, or that goes on after it has waited for something else.
    pub fn put(&mut self, payer: Arc<Payer>, call: T) {
        self.len += 1;
        self.enqueue(Waiting { payer, call, is_long: false });
    }

    /// Removes and returns the call that is next. [`finish`](Self::finish) must follow.
    pub fn take(&mut self) -> Option<(T, Turn)> {
        let rank = self.ranks.first()?;
        let types = self.ranks.content(&rank)?;
        let type_name = types.first()?;
        let objects = &mut types.content(&type_name)?.objects;
        let object = objects.first()?;
        let calls = objects.content(&object)?;
        let Waiting { payer, call, is_long } = calls.pop_front()?;
        let has_more = !calls.is_empty();
        objects.serve(&object, SLICE, has_more);
        let has_more = !objects.is_empty();
        types.serve(&type_name, SLICE, has_more);
        let has_more = !types.is_empty();
        self.ranks.serve(&rank, SLICE, has_more);
        self.len -= 1;
        Some((call, Turn { payer, is_long }))
    }

    /// Ends a slice, which has used so much processor time. The call is passed if it goes on at once.
    pub fn finish(&mut self, turn: Turn, used: Duration, again: Option<T>) {
        let Turn { payer, is_long } = turn;
        self.settle(&payer, used);
        self.len += usize::from(again.is_some());
        let next = self.of_type(&payer).and_then(|of_type| {
            of_type.long_count -= usize::from(is_long);
            if let Some(call) = again {
                let waiting = Waiting { payer: Arc::clone(&payer), call, is_long: true };
                // One that goes on already is not overtaken by those that wait.
                if is_long {
                    of_type.held.push_front(waiting);
                } else {
                    of_type.held.push_back(waiting);
                }
            }
            let next = of_type.held.pop_front_if(|_| of_type.long_count < LONG_STARTED)?;
            of_type.long_count += 1;
            Some(next)
        });
        if let Some(next) = next {
            self.enqueue(next);
        }
        self.tidy(&payer);
    }

    fn enqueue(&mut self, waiting: Waiting<T>) {
        let payer = Arc::clone(&waiting.payer);
        let types = self.ranks.enqueue(&payer.rank, weight_of(payer.rank), Level::new);
        let of_type = types.enqueue(&payer.type_name, payer.weight, || OfType {
            objects: Level::new(),
            long_count: 0,
            held: VecDeque::new(),
        });
        of_type.objects.enqueue(&payer.object, 1, VecDeque::new).push_back(waiting);
    }

    fn of_type(&mut self, payer: &Payer) -> Option<&mut OfType<T>> {
        self.ranks.content(&payer.rank)?.content(&payer.type_name)
    }

    fn settle(&mut self, payer: &Payer, used: Duration) {
        self.ranks.settle(&payer.rank, SLICE, used);
        if let Some(types) = self.ranks.content(&payer.rank) {
            types.settle(&payer.type_name, SLICE, used);
        }
        if let Some(of_type) = self.of_type(payer) {
            of_type.objects.settle(&payer.object, SLICE, used);
        }
    }

    /// Forgets the flows of a payer that are idle and have no debt.
    fn tidy(&mut self, payer: &Payer) {
        if let Some(of_type) = self.of_type(payer) {
            of_type.objects.tidy(&payer.object);
        }
        if let Some(types) = self.ranks.content(&payer.rank) {
            types.tidy(&payer.type_name);
        }
        self.ranks.tidy(&payer.rank);
    }
}

#[cfg(test)]
mod tests;
