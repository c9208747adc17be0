//! What happened to one object, as its callers saw it: when each call began and ended, and what it came to.
//!
//! Moments are numbers from one clock that goes up by one at each event, so that "ended before that one began" is exact
//! within this process and depends on no machine's time. [`recorder`] makes the calls, whether the history may be is
//! [`check`]'s to say, and what the object would hold if it behaved is [`model`]'s.

pub mod check;
pub mod model;
pub mod record;
pub mod recorder;
pub mod revisions;
#[cfg(test)]
mod tests;

/// What a caller was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done, and this was seen.
    Done(Seen),
    /// Nothing of it happened, nor ever will.
    NotExecuted,
    /// It may have happened.
    Unknown,
}

/// An object at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What it said: the number of a counter, the digest of a journal.
    pub value: u64,
    /// Its version.
    pub version: u64,
    /// The epoch of that version.
    pub epoch: u64,
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One more: an increment, an entry.
    Change,
    /// What there is.
    Read,
    /// What there is, whatever the owner's clock says.
    StrictRead,
}

/// One call, from the moment it began to the moment its caller knew what it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When it began.
    pub begun: u64,
    /// When it ended.
    pub ended: u64,
    /// What was asked.
    pub kind: Kind,
    /// Which change this is: calls with the same number have one idempotency key, and are one change. Without meaning
    /// for what only reads.
    pub change: u64,
    /// What it came to.
    pub outcome: Outcome,
    /// The node that made the change for this call, where an answer says so.
    pub maker: Option<String>,
    /// The revision that ran for this call, where an answer says so.
    pub revision: Option<u64>,
}

/// An object when all calls are over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// What it said.
    pub seen: Seen,
    /// The changes in the order in which it made them, if it is one that keeps them.
    pub entries: Option<Vec<u64>>,
}
