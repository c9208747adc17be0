//! Resolving a write: what a refused write and the record found instead of it say about its outcome.
//!
//! The rule is the contract's S6 in one function: "not executed" is said only of a write that can never take effect.

use crate::limits::RECENT_WRITES_MAX;
use crate::store::Condition;
use crate::store::ETag;
use crate::store::record::{Record, Write};

/// What became of a write that the store refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// An earlier attempt of it took place, and it is the newest.
    Committed,
    /// It took place, and another owner has committed after it.
    CommittedThenFenced,
    /// So many writes came after it that the record no longer tells.
    CannotTell,
    /// It did not take place and never will.
    NotExecuted,
    /// It may still take place: send it again.
    Undecided,
}

/// Compares the write `mine`, sent under `condition`, with the record found after the store refused it.
#[must_use]
pub fn resolve(mine: Write, condition: &Condition, found: Option<&Record>) -> Resolution {
    let Some(record) = found else {
        return match condition {
            // The blob was there when the write was refused and is gone now: the condition holds again, and an
            // attempt that is still under way could meet it.
            Condition::Absent => Resolution::Undecided,
            // No write ever brings this ETag back.
            Condition::Matches(_) => Resolution::NotExecuted,
        };
    };
    let recent = record.recent.as_slice();
    if recent.last().is_some_and(|newest| newest.id == mine.id) {
        Resolution::Committed
    } else if record.recent.find(mine.id).is_some() {
        Resolution::CommittedThenFenced
    } else if recent.len() == RECENT_WRITES_MAX
        && recent.first().is_some_and(|oldest| oldest.version > mine.version)
    {
        Resolution::CannotTell
    } else {
        Resolution::NotExecuted
    }
}

/// The condition under which the next write of an owner is sent, who knows the record as `etag`.
#[must_use]
pub fn condition(etag: Option<&ETag>) -> Condition {
    etag.cloned().map_or(Condition::Absent, Condition::Matches)
}
