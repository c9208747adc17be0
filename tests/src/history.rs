//! History of one object as its callers observed it: begin, end and outcome of each call.
//!
//! Timestamps come from a logical clock that advances by one with each event. "Ended before that one began" is
//! therefore exact within this process, and independent of the wall clock. [`recorder`] makes the calls, [`check`]
//! verifies the history, and [`model`] holds the reference models.

pub mod check;
pub mod model;
pub mod record;
pub mod recorder;
pub mod revisions;
#[cfg(test)]
mod tests;

/// Outcome that a caller received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Executed, with this observation.
    Done(Seen),
    /// Not executed, now or later.
    NotExecuted,
    /// Possibly executed.
    Unknown,
}

/// An object at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Returned value: the number of a counter, the digest of a journal.
    pub value: u64,
    /// Version of the object.
    pub version: u64,
    /// Epoch of that version.
    pub epoch: u64,
}

/// Operation of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Update: an increment, or a new entry.
    Change,
    /// Read.
    Read,
    /// Strict read, which does not depend on the owner's clock.
    StrictRead,
}

/// One call, from its begin until the caller had its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Begin.
    pub begun: u64,
    /// End.
    pub ended: u64,
    /// Operation.
    pub kind: Kind,
    /// Number of the change: calls with the same number share one idempotency key and are one change. Meaningless
    /// for reads.
    pub change: u64,
    /// Outcome.
    pub outcome: Outcome,
    /// Node that executed the change for this call, if the response names it.
    pub maker: Option<String>,
    /// Revision that ran for this call, if the response names it.
    pub revision: Option<u64>,
}

/// An object after all calls have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// Last observation.
    pub seen: Seen,
    /// Changes in the order of execution, if the object keeps them.
    pub entries: Option<Vec<u64>>,
}
