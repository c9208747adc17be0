//! Read barrier (ReadIndex) for strict answers: compares the cached version with the store before an answer leaves
//! (S4).
//!
//! Each strict answer takes a ticket. A ticket is proven once the store is found to still hold the version that this
//! owner committed last, at a time after the ticket was taken. The proof is a read of the record, or the success of a
//! conditional write, that started after the ticket. One proof serves all earlier tickets.
//!
//! Invariant: only this module issues tickets. Only a proof, or a commit that began after a ticket, proves it.

mod verify;

use std::time::Duration;

use crate::activation::Consistency;
use crate::backoff::backoff;
use crate::limits::{RETRY_PAUSE_MAX, RETRY_PAUSE_MIN};

/// Ticket of an answer that needs a proof; tickets ascend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Ticket(u64);

impl Ticket {
    /// Ticket of answers that need no proof.
    pub(super) const NONE: Self = Self(0);
}

/// Issued and proven tickets.
#[derive(Debug, Default)]
pub(super) struct ReadBarrier {
    asked: Ticket,
    proven: Ticket,
    /// Newest ticket that the proof in progress serves.
    under_way: Option<Ticket>,
    /// Consecutive reads that the store did not answer.
    failures: u32,
}

impl ReadBarrier {
    /// Returns the ticket of an answer with this consistency.
    pub(super) fn ticket(&mut self, consistency: Consistency) -> Ticket {
        match consistency {
            Consistency::Lease => Ticket::NONE,
            Consistency::Strict => {
                self.asked.0 += 1;
                self.asked
            }
        }
    }

    /// Returns the newest ticket.
    pub(super) fn newest(&self) -> Ticket {
        self.asked
    }

    pub(super) fn is_proven(&self, ticket: Ticket) -> bool {
        ticket <= self.proven
    }

    /// Whether the record is being read as proof.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Marks all tickets up to this one as proven.
    pub(super) fn done(&mut self, ticket: Ticket) {
        self.proven = self.proven.max(ticket);
    }

    /// Stops waiting for the proof in progress.
    pub(super) fn abandon(&mut self) {
        self.under_way = None;
    }

    fn pause(&self) -> Duration {
        match self.failures {
            0 => Duration::ZERO,
            count => backoff(RETRY_PAUSE_MIN, count - 1, RETRY_PAUSE_MAX),
        }
    }
}
