//! Resolves the outcome of a rejected write from the record found in its place.
//!
//! Enforces S6: "not executed" is reported only for a write that can never take effect.

use crate::limits::RECENT_WRITES_MAX;
use crate::store::record::{Record, Write};
use crate::store::{Condition, ETag};

/// Outcome of a write that the store rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::activation::machine) enum Resolution {
    /// An earlier attempt succeeded, and it is the newest write.
    Committed,
    /// The write succeeded, and another owner has committed after it.
    CommittedThenFenced,
    /// Too many writes came after it: the record no longer shows whether it succeeded.
    CannotTell,
    /// The write did not take effect and never will.
    NotExecuted,
    /// The write may still take effect: it must be sent again.
    Undecided,
}

/// Compares the write `mine`, sent under `condition`, with the record found after the store rejected it.
pub(in crate::activation::machine) fn resolve(
    mine: Write,
    condition: &Condition,
    found: Option<&Record>,
) -> Resolution {
    let Some(record) = found else {
        return match condition {
            // The blob existed when the write was rejected and is gone now. The condition holds again, and an attempt
            // that is still in flight could satisfy it.
            Condition::Absent => Resolution::Undecided,
            // No write ever restores this ETag.
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

/// Returns the precondition of an owner's next write, if `etag` is the ETag of the last record it read or wrote.
pub(super) fn condition(etag: Option<&ETag>) -> Condition {
    etag.cloned().map_or(Condition::Absent, Condition::Matches)
}
