//! Checker of histories: guarantees S1 to S4, S6, S7 and D1, as far as callers can observe them.
//!
//! Responses to callers contain versions. The checker must explain each version that no response mentions by a
//! call with an unknown outcome, and use each such call at most once. A journal shows which call made which
//! version; for a counter counting suffices. The check takes O(n log n) and is exact: an accepted history can have
//! happened in some order that the guarantees allow.

use std::collections::{BTreeMap, BTreeSet};

use super::model::Model;
use super::{Call, Kind, Last, Outcome, Seen};

/// Reason why a history is impossible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A response differs from the content of its version.
    WrongValue(Seen),
    /// Two calls made the same version, or one change made two.
    TwoChanges {
        /// One of the versions.
        version: u64,
    },
    /// A call did not see a version that others had seen before it began, or others saw its version before it
    /// began.
    OutOfOrder {
        /// Version that the call saw or made.
        seen: u64,
        /// Version that others had seen.
        known: u64,
    },
    /// A later version has an earlier epoch, or one version has two.
    EpochFell {
        /// Later version.
        version: u64,
    },
    /// Two nodes made versions of one epoch.
    TwoOwners {
        /// Shared epoch.
        epoch: u64,
    },
    /// A version was acknowledged, but the last state is older or does not contain it.
    Lost {
        /// Acknowledged version.
        version: u64,
    },
    /// There are more or fewer entries than versions.
    Gap {
        /// Last version.
        version: u64,
        /// Number of entries.
        entries: u64,
    },
    /// No call can have made this version: each caller received another version, or "not executed".
    Unexplained {
        /// Unexplained version.
        version: u64,
    },
    /// The caller of the change that made this version received "not executed".
    NotExecuted {
        /// Version of the change.
        version: u64,
    },
    /// The record in the store contradicts the responses to callers.
    Record(String),
}

/// One change, merged from all calls with its number.
struct Change {
    begun: u64,
    ended: u64,
    /// `None` if the outcome is unknown.
    seen: Option<Seen>,
}

/// All changes that may have been executed, by number.
type Changes = BTreeMap<u64, Change>;

/// Checks a history that ends with `last`.
///
/// # Errors
/// The first violation found.
pub fn check(calls: &[Call], last: &Last) -> Result<(), Violation> {
    let changes = changes(calls)?;
    let reads = calls.iter().filter(|call| call.kind != Kind::Change);
    let reads: Vec<_> = reads.filter_map(|call| Some((call, seen(call)?))).collect();

    let made = changes.values().filter_map(|change| change.seen);
    let all: Vec<_> = made.chain(reads.iter().map(|(_, seen)| *seen)).chain([last.seen]).collect();
    check_last(&all, last)?;
    check_values(&all, &Model::of(last))?;
    check_epochs(&all)?;
    check_owners(calls)?;
    let made_versions = check_unique(&changes)?;

    let done = changes.values().filter_map(|change| Some((change.ended, change.seen?.version)));
    let known = Known::new(done.chain(reads.iter().map(|(call, seen)| (call.ended, seen.version))));
    for (call, seen) in &reads {
        let known = known.before(call.begun);
        if seen.version < known {
            return Err(Violation::OutOfOrder { seen: seen.version, known });
        }
    }
    for change in changes.values() {
        if let Some(seen) = change.seen {
            known.check_change(change, seen.version)?;
        }
    }
    match &last.entries {
        None => explain(&changes, &made_versions, &known, last.seen.version),
        Some(entries) => check_entries(calls, &changes, &known, entries),
    }
}

/// Merges calls with the same number into one change. It began with the first call that may have been executed,
/// and was known with the first that returned its result.
fn changes(calls: &[Call]) -> Result<Changes, Violation> {
    let mut changes = Changes::new();
    for call in calls.iter().filter(|call| call.kind == Kind::Change) {
        if call.outcome == Outcome::NotExecuted {
            continue;
        }
        let change = Change { begun: call.begun, ended: call.ended, seen: seen(call) };
        match changes.get_mut(&call.change) {
            None => drop(changes.insert(call.change, change)),
            Some(known) => merge(known, &change)?,
        }
    }
    Ok(changes)
}

fn merge(known: &mut Change, repeat: &Change) -> Result<(), Violation> {
    match (known.seen, repeat.seen) {
        (Some(a), Some(b)) if a != b => {
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

/// Checks that the last state contains all that was seen, and that every version has an entry.
fn check_last(all: &[Seen], last: &Last) -> Result<(), Violation> {
    let version = last.seen.version;
    let newest = all.iter().map(|seen| seen.version).max().unwrap_or_default();
    if newest > version {
        return Err(Violation::Lost { version: newest });
    }
    match last.entries.as_ref().map(|entries| entries.len() as u64) {
        Some(entries) if entries != version => Err(Violation::Gap { version, entries }),
        _ => Ok(()),
    }
}

fn check_values(all: &[Seen], model: &Model) -> Result<(), Violation> {
    let wrong = all.iter().find(|seen| model.value(seen.version) != Some(seen.value));
    wrong.map_or(Ok(()), |seen| Err(Violation::WrongValue(*seen)))
}

/// Checks that each version has one epoch, and that epochs do not decrease. An object without changes has no
/// epoch.
fn check_epochs(all: &[Seen]) -> Result<(), Violation> {
    let changed = all.iter().filter(|seen| seen.version > 0);
    let epochs: BTreeSet<_> = changed.map(|seen| (seen.version, seen.epoch)).collect();
    let epochs: Vec<_> = epochs.into_iter().collect();
    let fell = epochs.windows(2).find(|pair| pair[1].1 < pair[0].1 || pair[1].0 == pair[0].0);
    fell.map_or(Ok(()), |pair| Err(Violation::EpochFell { version: pair[1].0 }))
}

/// Checks that each epoch has one owner.
fn check_owners(calls: &[Call]) -> Result<(), Violation> {
    let mut owners = BTreeMap::new();
    for call in calls {
        let (Some(maker), Some(Seen { epoch, .. })) = (&call.maker, seen(call)) else { continue };
        if *owners.entry(epoch).or_insert(maker) != maker {
            return Err(Violation::TwoOwners { epoch });
        }
    }
    Ok(())
}

fn check_unique(changes: &Changes) -> Result<BTreeSet<u64>, Violation> {
    let mut versions = BTreeSet::new();
    for seen in changes.values().filter_map(|change| change.seen) {
        if !versions.insert(seen.version) {
            return Err(Violation::TwoChanges { version: seen.version });
        }
    }
    Ok(versions)
}

/// Newest version that any caller had seen, by moment.
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

    /// Checks that a change comes after every version seen before it began. The mirror rule, that no caller saw
    /// the change before it began, is the same comparison.
    fn check_change(&self, change: &Change, version: u64) -> Result<(), Violation> {
        let known = self.before(change.begun);
        if version <= known {
            return Err(Violation::OutOfOrder { seen: version, known });
        }
        Ok(())
    }
}

/// Assigns a call with an unknown outcome to each version that no response mentions.
///
/// Such a call can have made any version above the newest one seen before it began. In ascending order, calls that
/// fit one version also fit all later ones, so counting suffices.
fn explain(
    changes: &Changes,
    made: &BTreeSet<u64>,
    known: &Known,
    last_version: u64,
) -> Result<(), Violation> {
    let unknown = changes.values().filter(|change| change.seen.is_none());
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

/// Checks that each entry is a possible change, occurs once, and fits its place, and that no acknowledged change
/// is missing.
fn check_entries(
    calls: &[Call],
    changes: &Changes,
    known: &Known,
    entries: &[u64],
) -> Result<(), Violation> {
    let mut places = BTreeMap::new();
    for (version, entry) in (1..).zip(entries) {
        if places.insert(*entry, version).is_some() {
            return Err(Violation::TwoChanges { version });
        }
        let Some(change) = changes.get(entry) else {
            let refused =
                calls.iter().any(|call| call.kind == Kind::Change && call.change == *entry);
            return Err(if refused {
                Violation::NotExecuted { version }
            } else {
                Violation::Unexplained { version }
            });
        };
        known.check_change(change, version)?;
    }
    let answered = changes.iter().filter_map(|(change, known)| Some((change, known.seen?.version)));
    for (change, version) in answered {
        match places.get(change) {
            None => return Err(Violation::Lost { version }),
            Some(place) if *place != version => return Err(Violation::TwoChanges { version }),
            Some(_) => {}
        }
    }
    Ok(())
}
