//! Whether a history may be: contract S1 to S4, S6, S7 and D1, as far as callers can see.
//!
//! Callers' answers name versions. What remains is to explain the versions that nobody was told of by calls whose
//! outcome is unknown, each at most once: a journal says which call made which version, and for a counter it is enough
//! to count. All of it takes O(n log n), and is exact: what is accepted can have happened in some order that the
//! contract allows.

use std::collections::{BTreeMap, BTreeSet};

use super::model::Model;
use super::{Call, Kind, Last, Outcome, Seen};

/// Why a history cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Something was answered that is not what this version holds.
    WrongValue(Seen),
    /// Two calls made the same version, or one change made two.
    TwoChanges {
        /// A version that is involved.
        version: u64,
    },
    /// A call did not see what others had been told before it began, or others had been told of it before that.
    OutOfOrder {
        /// What it saw or made.
        seen: u64,
        /// What others had seen.
        known: u64,
    },
    /// A later version has an earlier epoch, or one version has two.
    EpochFell {
        /// The later version.
        version: u64,
    },
    /// Two nodes made versions of one epoch.
    TwoOwners {
        /// The epoch.
        epoch: u64,
    },
    /// A version was answered, and the last state is older or has not got it.
    Lost {
        /// That version.
        version: u64,
    },
    /// There are more or fewer entries than versions.
    Gap {
        /// The last version.
        version: u64,
        /// The number of entries.
        entries: u64,
    },
    /// Nobody can have made this version: every caller was told of another one, or that nothing was executed.
    Unexplained {
        /// The version.
        version: u64,
    },
    /// The caller of the change that made this version was told that nothing was executed.
    NotExecuted {
        /// The version.
        version: u64,
    },
    /// The record in the store is not what callers were told.
    Record(String),
}

/// One change as its callers together know it.
struct Change {
    begun: u64,
    ended: u64,
    /// Nothing where the outcome is unknown.
    seen: Option<Seen>,
}

/// All changes that may have been made, by their numbers.
type Changes = BTreeMap<u64, Change>;

/// Judges a history that ends with `last`.
///
/// # Errors
/// The first violation that is found.
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

/// Calls with the same number are one change: it began with the first that may have been executed, and was known with
/// the first that was told so.
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

/// Nothing was seen that is not there in the end, and every version has its entry.
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

/// Each version has one epoch, and epochs do not fall. An object that was never changed has none.
fn check_epochs(all: &[Seen]) -> Result<(), Violation> {
    let changed = all.iter().filter(|seen| seen.version > 0);
    let epochs: BTreeSet<_> = changed.map(|seen| (seen.version, seen.epoch)).collect();
    let epochs: Vec<_> = epochs.into_iter().collect();
    let fell = epochs.windows(2).find(|pair| pair[1].1 < pair[0].1 || pair[1].0 == pair[0].0);
    fell.map_or(Ok(()), |pair| Err(Violation::EpochFell { version: pair[1].0 }))
}

/// Each epoch has one owner.
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

    /// A change comes after everything that was known when it began. That nobody saw it before it began is the same
    /// rule, seen from the other side.
    fn check_change(&self, change: &Change, version: u64) -> Result<(), Violation> {
        let known = self.before(change.begun);
        if version <= known {
            return Err(Violation::OutOfOrder { seen: version, known });
        }
        Ok(())
    }
}

/// Finds a call of unknown outcome for each version that nobody was told of.
///
/// Such a call can have made any version above what was known when it began, so that going up, the calls that fit one
/// version fit all later ones too: counting is enough.
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

/// Each entry is a change that may have been made, once, at its place, and every change that was answered has one.
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
