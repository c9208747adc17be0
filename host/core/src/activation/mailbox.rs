//! Bounded mailbox of one object: a line of calls for clients, and one for background calls, each FIFO.
//!
//! Calls of clients come first, but after [`CLIENTS_IN_A_ROW`] of them a waiting background call has its turn.
//! Background calls may fill half as many places as clients' calls, and are repeated by their senders.
//! Behind the clients' line is an overflow queue. A call that finds the line full waits there for at most
//! [`OVERFLOW_WAIT`]: short bursts succeed, and an overload is reported quickly (L4). A call's index determines
//! which of the two it is in, so entries never move between them.

use std::collections::VecDeque;

use super::Call;
use crate::call_context::Rank;
use crate::clock::BootTime;
use crate::limits::{OVERFLOW_FACTOR, OVERFLOW_WAIT};

/// Waiting call and its reply channel.
#[derive(Debug)]
pub struct Queued<T> {
    /// The call.
    pub call: Call,
    /// Reply channel.
    pub caller: T,
    arrived: BootTime,
}

/// Reason why a call left the mailbox without having run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// It waited in the overflow queue, and no space became free in time.
    Full,
    /// Its own deadline passed.
    Deadline,
}

/// Calls of clients that may pass a waiting background call.
const CLIENTS_IN_A_ROW: u32 = 9;

/// Waiting calls of one object.
#[derive(Debug)]
pub struct Mailbox<T> {
    clients: VecDeque<Queued<T>>,
    background: VecDeque<Queued<T>>,
    /// Calls of clients that left while a background call waited, since the last one left.
    passed: u32,
}

impl<T> Mailbox<T> {
    /// Returns an empty mailbox; it allocates nothing until a call arrives.
    #[must_use]
    pub fn new() -> Self {
        Self { clients: VecDeque::new(), background: VecDeque::new(), passed: 0 }
    }

    /// Appends a call, or returns its reply channel if the line of its rank is full.
    pub fn offer(&mut self, call: Call, caller: T, now: BootTime, len_max: usize) -> Option<T> {
        let (line, places) = match call.origin.rank {
            Rank::Client => (&mut self.clients, len_max * (1 + OVERFLOW_FACTOR)),
            Rank::Background => (&mut self.background, (len_max / 2).max(1)),
        };
        if line.len() >= places {
            return Some(caller);
        }
        line.push_back(Queued { call, caller, arrived: now });
        None
    }

    /// Removes the call that has its turn.
    pub fn take(&mut self) -> Option<Queued<T>> {
        let is_background_next = self.clients.is_empty() || self.passed >= CLIENTS_IN_A_ROW;
        let line = if is_background_next && !self.background.is_empty() {
            self.passed = 0;
            &mut self.background
        } else {
            self.passed += u32::from(!self.background.is_empty());
            &mut self.clients
        };
        let taken = line.pop_front();
        if line.is_empty() {
            line.shrink_to_fit();
        }
        taken
    }

    /// Removes every call that matches `chosen`.
    pub fn take_all(&mut self, chosen: impl Fn(&Call) -> bool) -> Vec<Queued<T>> {
        let mut all_taken = Vec::new();
        for line in [&mut self.clients, &mut self.background] {
            let calls = std::mem::take(line).into_iter();
            let (taken, kept): (VecDeque<_>, _) = calls.partition(|queued| chosen(&queued.call));
            *line = kept;
            all_taken.extend(taken);
        }
        all_taken
    }

    /// Returns the earliest arrival time of the calls that match `chosen`.
    #[must_use]
    pub fn first_arrival(&self, chosen: impl Fn(&Call) -> bool) -> Option<BootTime> {
        let first = |line: &VecDeque<Queued<T>>| {
            line.iter().find(|queued| chosen(&queued.call)).map(|queued| queued.arrived)
        };
        first(&self.clients).into_iter().chain(first(&self.background)).min()
    }

    /// Whether no calls are waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.background.is_empty()
    }

    /// Returns the number of waiting calls.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len() + self.background.len()
    }

    /// Removes every call whose deadline or overflow wait has passed.
    pub fn expire(&mut self, now: BootTime, len_max: usize) -> Vec<(T, Expired)> {
        if self.next_expiry(len_max).is_none_or(|expiry| expiry > now) {
            return Vec::new();
        }
        let mut expired = Vec::new();
        for line in [&mut self.clients, &mut self.background] {
            let mut kept = VecDeque::with_capacity(line.len());
            for queued in line.drain(..) {
                if queued.call.deadline <= now {
                    expired.push((queued.caller, Expired::Deadline));
                } else if kept.len() >= len_max && queued.arrived + OVERFLOW_WAIT <= now {
                    expired.push((queued.caller, Expired::Full));
                } else {
                    kept.push_back(queued);
                }
            }
            *line = kept;
        }
        expired
    }

    /// Returns when the next call expires if no other event occurs first.
    #[must_use]
    pub fn next_expiry(&self, len_max: usize) -> Option<BootTime> {
        let all = self.clients.iter().chain(&self.background);
        let deadline = all.map(|queued| queued.call.deadline).min();
        let overflow = self.clients.get(len_max).map(|first| first.arrived + OVERFLOW_WAIT);
        deadline.into_iter().chain(overflow).min()
    }
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::activation::{Operation, Precondition};
    use crate::call_context::Origin;

    fn at(ms: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(ms))
    }

    fn call(deadline_ms: u64) -> Call {
        Call {
            operation: Operation::Delete,
            caller: crate::caller::Caller::Anonymous,
            origin: Origin::default(),
            precondition: Precondition::None,
            consistency: crate::activation::Consistency::Lease,
            key: None,
            deadline: at(deadline_ms),
        }
    }

    #[test]
    fn calls_leave_in_the_order_in_which_they_came() {
        let mut mailbox = Mailbox::new();
        for caller in 0..5 {
            assert_eq!(mailbox.offer(call(1000), caller, at(0), 2), None);
        }
        let order: Vec<_> = std::iter::from_fn(|| mailbox.take()).map(|q| q.caller).collect();
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_full_overflow_queue_rejects_callers_at_once() {
        let mut mailbox = Mailbox::new();
        for caller in 0..2 * (1 + OVERFLOW_FACTOR) {
            assert_eq!(mailbox.offer(call(1000), caller, at(0), 2), None);
        }
        assert_eq!(mailbox.offer(call(1000), 99, at(0), 2), Some(99));
    }

    #[test]
    fn only_calls_beyond_the_mailbox_leave_the_overflow_queue_unserved() {
        let mut mailbox = Mailbox::new();
        for caller in 0..4 {
            mailbox.offer(call(1000), caller, at(0), 2);
        }
        assert_eq!(mailbox.next_expiry(2), Some(at(50)));
        assert!(mailbox.expire(at(49), 2).is_empty());
        mailbox.take();
        assert_eq!(mailbox.expire(at(50), 2), [(3, Expired::Full)], "2 has moved up");
        assert_eq!(mailbox.next_expiry(2), Some(at(1000)));
    }

    fn background(deadline_ms: u64) -> Call {
        let origin = Origin { rank: Rank::Background, ..Origin::default() };
        Call { origin, ..call(deadline_ms) }
    }

    #[test]
    fn clients_pass_messages_and_messages_keep_their_order() {
        let mut mailbox = Mailbox::new();
        for caller in ["m1", "m2"] {
            mailbox.offer(background(1000), caller, at(0), 9);
        }
        for _ in 0..20 {
            mailbox.offer(call(1000), "c", at(1), 20);
        }
        assert_eq!(mailbox.len(), 22);
        let order: Vec<_> = std::iter::from_fn(|| mailbox.take()).map(|q| q.caller).collect();
        let expected = [vec!["c"; 9], vec!["m1"], vec!["c"; 9], vec!["m2"], vec!["c"; 2]].concat();
        assert_eq!(order, expected);
        assert!(mailbox.is_empty());
    }

    #[test]
    fn background_calls_fill_half_and_leave_the_clients_places() {
        let mut mailbox = Mailbox::new();
        for caller in 0..2 {
            assert_eq!(mailbox.offer(background(1000), caller, at(0), 4), None);
        }
        assert_eq!(mailbox.offer(background(1000), 2, at(0), 4), Some(2));
        assert_eq!(mailbox.offer(call(1000), 3, at(0), 4), None);
        assert_eq!(mailbox.next_expiry(4), Some(at(1000)));
        assert_eq!(mailbox.expire(at(1000), 4).len(), 3);
        assert_eq!(mailbox.offer(background(2000), 4, at(0), 1), None, "there is always one place");
    }

    #[test]
    fn chosen_calls_leave_and_the_others_keep_their_order() {
        let mut mailbox = Mailbox::new();
        for (caller, arrived_ms, deadline_ms) in [('a', 0, 500), ('b', 20, 1000), ('c', 30, 500)] {
            mailbox.offer(call(deadline_ms), caller, at(arrived_ms), 9);
        }
        let is_late = |call: &Call| call.deadline == at(1000);
        assert_eq!(mailbox.first_arrival(is_late), Some(at(20)));
        let taken: Vec<_> = mailbox.take_all(is_late).into_iter().map(|q| q.caller).collect();
        assert_eq!((taken, mailbox.first_arrival(is_late)), (vec!['b'], None));
        let order: Vec<_> = std::iter::from_fn(|| mailbox.take()).map(|q| q.caller).collect();
        assert_eq!(order, ['a', 'c']);
    }

    #[test]
    fn a_call_past_its_deadline_leaves_from_any_place() {
        let mut mailbox = Mailbox::new();
        mailbox.offer(call(1000), 'a', at(0), 2);
        mailbox.offer(call(10), 'b', at(0), 2);
        assert_eq!(mailbox.expire(at(10), 2), [('b', Expired::Deadline)]);
        assert_eq!(mailbox.len(), 1);
    }
}
