//! Whether the history of a counter may be: contract S1, S3, S4, S6, S7 and D1, as far as callers can see.
//!
//! Every change of the counter is an increment, so that its number is its version, and the reference model is the
//! identity. Callers' answers name versions; what remains is to explain the versions that nobody was told of by calls
//! whose outcome is unknown, each at most once. All of it takes O(n log n).

use std::collections::{BTreeMap, BTreeSet};

use super::{Call, Kind, Outcome, Seen};

/// Why a history cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A number was answered that is not what this version holds.
    WrongValue(Seen),
    /// Two calls made the same version, or one key made two.
    TwoChanges {
        /// A version that is involved.
        version: u64,
    },
    /// A call did not see what others had been told before it began.
    OutOfOrder {
        /// What it saw.
        seen: u64,
        /// What others had seen.
        known: u64,
    },
    /// A later version has an earlier epoch.
    EpochFell {
        /// The later version.
        version: u64,
    },
    /// A version was answered, and the last state is older.
    Lost {
        /// That version.
        version: u64,
    },
    /// Nobody can have made this version: every caller was told of another one, or that nothing was executed.
    Unexplained {
        /// The version.
        version: u64,
    },
}

/// One change as its callers together know it: a call, or all calls with one key.
struct Change {
    begun: u64,
    ended: u64,
    /// Nothing where the outcome is unknown.
    seen: Option<Seen>,
}

/// Judges a history that ends with `last`.
///
/// # Errors
/// The first violation that is found.
pub fn check(calls: &[Call], last: Seen) -> Result<(), Violation> {
    let changes = changes(calls)?;
    let reads = calls.iter().filter(|call| call.kind == Kind::Read);
    let reads: Vec<_> = reads.filter_map(|call| Some((call, seen(call)?))).collect();

    let made = changes.iter().filter_map(|change| change.seen);
    let all_seen = made.chain(reads.iter().map(|(_, seen)| *seen)).chain([last]);
    check_values(all_seen)?;
    let made_versions = check_unique(&changes)?;
    if let Some(version) = made_versions.last().filter(|newest| **newest > last.version) {
        return Err(Violation::Lost { version: *version });
    }

    let done = changes.iter().filter_map(|change| Some((change.ended, change.seen?.version)));
    let known = Known::new(done.chain(reads.iter().map(|(call, seen)| (call.ended, seen.version))));
    for (begun, seen, must_be_above) in changes
        .iter()
        .filter_map(|change| Some((change.begun, change.seen?.version, true)))
        .chain(reads.iter().map(|(call, seen)| (call.begun, seen.version, false)))
    {
        let known = known.before(begun);
        if seen < known || (must_be_above && seen == known) {
            return Err(Violation::OutOfOrder { seen, known });
        }
    }
    explain(&changes, &made_versions, &known, last.version)
}

/// Calls with the same key are one change: it began with the first that may have been executed, and was known with the
/// first that was told so.
fn changes(calls: &[Call]) -> Result<Vec<Change>, Violation> {
    let mut changes = Vec::new();
    let mut keyed: BTreeMap<&str, Change> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.kind == Kind::Increment) {
        if call.outcome == Outcome::NotExecuted {
            continue;
        }
        let seen = seen(call);
        let change = Change { begun: call.begun, ended: call.ended, seen };
        let Some(key) = &call.key else {
            changes.push(change);
            continue;
        };
        match keyed.get_mut(key.as_str()) {
            None => drop(keyed.insert(key, change)),
            Some(known) => merge(known, &change)?,
        }
    }
    changes.extend(keyed.into_values());
    Ok(changes)
}

fn merge(known: &mut Change, repeat: &Change) -> Result<(), Violation> {
    match (known.seen, repeat.seen) {
        (Some(a), Some(b)) if (a.version, a.value) != (b.version, b.value) => {
            return Err(Violation::TwoChanges { version: b.version });
        }
        (Some(_), Some(_)) => known.ended = known.ended.min(repeat.ended),
        (None, Some(_)) => (known.ended, known.seen) = (repeat.ended, repeat.seen),
        (_, None) => {}
    }
    known.begun = known.begun.min(repeat.begun);
    Ok(())
}

fn seen(call: &Call) -> Option<Seen> {
    match call.outcome {
        Outcome::Done(seen) => Some(seen),
        Outcome::NotExecuted | Outcome::Unknown => None,
    }
}

/// Every number is its version, and epochs do not fall.
fn check_values(seen: impl Iterator<Item = Seen>) -> Result<(), Violation> {
    let seen: Vec<_> = seen.collect();
    if let Some(wrong) = seen.iter().find(|seen| seen.value != seen.version) {
        return Err(Violation::WrongValue(*wrong));
    }
    let mut epochs: Vec<_> =
        seen.iter().filter_map(|seen| Some((seen.version, seen.epoch?))).collect();
    epochs.sort_unstable();
    let fell = epochs.windows(2).find(|pair| pair[1].1 < pair[0].1);
    fell.map_or(Ok(()), |pair| Err(Violation::EpochFell { version: pair[1].0 }))
}

fn check_unique(changes: &[Change]) -> Result<BTreeSet<u64>, Violation> {
    let mut versions = BTreeSet::new();
    for seen in changes.iter().filter_map(|change| change.seen) {
        if !versions.insert(seen.version) {
            return Err(Violation::TwoChanges { version: seen.version });
        }
    }
    Ok(versions)
}

/// The newest version that anybody had been told of, by moment.
struct Known(Vec<(u64, u64)>);

impl Known {
    fn new(answers: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut answers: Vec<_> = answers.collect();
        answers.sort_unstable();
        let mut newest = 0;
        for (_, version) in &mut answers {
            newest = newest.max(*version);
            *version = newest;
        }
        Self(answers)
    }

    fn before(&self, moment: u64) -> u64 {
        let count = self.0.partition_point(|(ended, _)| *ended < moment);
        count.checked_sub(1).map_or(0, |index| self.0[index].1)
    }
}

/// Finds a call of unknown outcome for each version that nobody was told of.
///
/// Such a call can have made any version above what was known when it began, so that going up, the calls that fit one
/// version fit all later ones too: counting is enough.
fn explain(
    changes: &[Change],
    made: &BTreeSet<u64>,
    known: &Known,
    last_version: u64,
) -> Result<(), Violation> {
    let unknown = changes.iter().filter(|change| change.seen.is_none());
    let mut above: Vec<_> = unknown.map(|change| known.before(change.begun)).collect();
    above.sort_unstable();
    let missing = (1..=last_version).filter(|version| !made.contains(version));
    for (used, version) in missing.enumerate() {
        let fitting = above.partition_point(|above| *above < version);
        if fitting <= used {
            return Err(Violation::Unexplained { version });
        }
    }
    Ok(())
}
