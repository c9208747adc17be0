//! The checker accepts every possible history, and finds each planted violation.

use rand::RngExt as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::check::{Violation, check};
use super::model::extended;
use super::record::Record;
use super::revisions;
use super::{Call, Kind, Last, Outcome, Seen};
use crate::seed;

fn at(version: u64) -> Seen {
    Seen { value: version, version, epoch: 1 }
}

fn counter(version: u64) -> Last {
    Last { seen: at(version), entries: None }
}

/// Returns a change that no other call repeats; its number is the moment of its begin.
fn change(begun: u64, ended: u64, outcome: Outcome) -> Call {
    Call {
        begun,
        ended,
        kind: Kind::Change,
        change: 1_000 + begun,
        outcome,
        maker: None,
        revision: None,
    }
}

fn done(begun: u64, ended: u64, version: u64) -> Call {
    change(begun, ended, Outcome::Done(at(version)))
}

fn read(begun: u64, ended: u64, version: u64) -> Call {
    Call { kind: Kind::Read, ..done(begun, ended, version) }
}

/// Puts a call under the one shared idempotency key.
fn keyed(call: Call) -> Call {
    Call { change: 7, ..call }
}

fn in_epoch(mut call: Call, epoch: u64, maker: &str) -> Call {
    let Outcome::Done(seen) = &mut call.outcome else { panic!("{call:?}") };
    seen.epoch = epoch;
    Call { maker: Some(maker.to_owned()), ..call }
}

#[track_caller]
fn check_found(calls: &[Call], last: u64, expected: &Violation) {
    assert_eq!(check(calls, &counter(last)).as_ref(), Err(expected));
}

#[track_caller]
fn check_accepted(calls: &[Call], last: u64) {
    assert_eq!(check(calls, &counter(last)), Ok(()));
}

#[test]
fn concurrent_calls_may_take_effect_in_any_order() {
    check_accepted(&[done(0, 5, 2), done(1, 4, 1), read(2, 3, 1)], 2);
    check_accepted(&[done(0, 5, 2), done(1, 4, 1), read(2, 3, 0)], 2);
}

#[test]
fn unknown_calls_may_have_taken_effect_or_not() {
    check_accepted(&[done(0, 1, 1), change(2, 3, Outcome::Unknown), done(4, 5, 3)], 3);
    let calls = [done(0, 1, 1), change(2, 3, Outcome::Unknown), done(4, 5, 2)];
    check_accepted(&calls, 2);
    // It may take effect late.
    check_accepted(&calls, 3);
}

#[test]
fn a_version_made_twice_is_found() {
    check_found(&[done(0, 3, 1), done(1, 2, 1)], 1, &Violation::TwoChanges { version: 1 });
}

#[test]
fn a_number_that_is_not_of_its_version_is_found() {
    let seen = Seen { value: 3, ..at(2) };
    let calls = [done(0, 1, 1), change(2, 3, Outcome::Done(seen))];
    check_found(&calls, 2, &Violation::WrongValue(seen));
}

#[test]
fn a_lost_answer_is_found() {
    let calls = [done(0, 1, 1), done(2, 3, 2)];
    check_found(&calls, 1, &Violation::Lost { version: 2 });
    check_found(&[read(0, 1, 1)], 0, &Violation::Lost { version: 1 });
}

#[test]
fn a_change_that_did_not_see_an_earlier_one_is_found() {
    let calls = [done(0, 1, 2), done(2, 3, 1)];
    check_found(&calls, 2, &Violation::OutOfOrder { seen: 1, known: 2 });
    // Two increments, the second of which another caller had read before both.
    let calls = [done(0, 5, 1), read(1, 2, 2), done(3, 4, 2)];
    check_found(&calls, 2, &Violation::OutOfOrder { seen: 2, known: 2 });
}

#[test]
fn a_stale_read_is_found() {
    let calls = [done(0, 1, 1), done(2, 3, 2), read(4, 5, 1)];
    check_found(&calls, 2, &Violation::OutOfOrder { seen: 1, known: 2 });
    let strict = Call { kind: Kind::StrictRead, ..read(4, 5, 1) };
    let calls = [done(0, 1, 1), done(2, 3, 2), strict];
    check_found(&calls, 2, &Violation::OutOfOrder { seen: 1, known: 2 });
}

#[test]
fn a_read_of_what_nobody_had_begun_is_found() {
    let calls = [read(0, 1, 1), done(2, 3, 1)];
    check_found(&calls, 1, &Violation::OutOfOrder { seen: 1, known: 1 });
}

#[test]
fn an_epoch_that_falls_is_found() {
    let calls = [in_epoch(done(0, 1, 1), 2, "a"), in_epoch(done(2, 3, 2), 1, "b")];
    let last = Last { seen: Seen { epoch: 3, ..at(3) }, entries: None };
    assert_eq!(check(&calls, &last), Err(Violation::EpochFell { version: 2 }));
}

#[test]
fn a_version_of_two_epochs_is_found() {
    let calls = [in_epoch(done(0, 1, 1), 1, "a"), in_epoch(read(2, 3, 1), 2, "b")];
    let last = Last { seen: Seen { epoch: 2, ..at(2) }, entries: None };
    assert_eq!(check(&calls, &last), Err(Violation::EpochFell { version: 1 }));
}

#[test]
fn an_epoch_of_two_owners_is_found() {
    let calls = [in_epoch(done(0, 1, 1), 1, "a"), in_epoch(done(2, 3, 2), 1, "b")];
    check_found(&calls, 2, &Violation::TwoOwners { epoch: 1 });
    check_accepted(&[in_epoch(done(0, 1, 1), 1, "a"), in_epoch(done(2, 3, 2), 1, "a")], 2);
}

#[test]
fn a_call_that_was_said_not_to_be_executed_and_was_is_found() {
    let calls = [done(0, 1, 1), change(2, 3, Outcome::NotExecuted)];
    check_found(&calls, 2, &Violation::Unexplained { version: 2 });
}

#[test]
fn an_unknown_call_that_took_effect_twice_is_found() {
    let calls = [change(0, 1, Outcome::Unknown), done(2, 3, 3)];
    check_found(&calls, 3, &Violation::Unexplained { version: 2 });
}

#[test]
fn an_unknown_call_that_took_effect_before_it_began_is_found() {
    let calls = [done(0, 1, 2), change(2, 3, Outcome::Unknown)];
    check_found(&calls, 2, &Violation::Unexplained { version: 1 });
    // A version that was read counts as seen as well.
    let calls = [read(0, 1, 1), change(2, 3, Outcome::Unknown)];
    check_found(&calls, 1, &Violation::Unexplained { version: 1 });
}

#[test]
fn calls_with_one_key_are_one_change() {
    let unknown = keyed(change(0, 1, Outcome::Unknown));
    check_accepted(
        &[unknown.clone(), done(2, 3, 2), keyed(done(4, 5, 1)), keyed(done(6, 7, 1))],
        2,
    );
    let twice = [unknown, keyed(done(2, 3, 1)), keyed(done(4, 5, 2))];
    check_found(&twice, 2, &Violation::TwoChanges { version: 2 });
    let hidden = [keyed(done(0, 1, 1)), keyed(change(2, 3, Outcome::Unknown))];
    check_found(&hidden, 2, &Violation::Unexplained { version: 2 });
}

/// Returns the observation of a journal after these entries.
fn journal_at(entries: &[u64]) -> Seen {
    let digest = entries.iter().fold(0, |digest, entry| extended(digest, *entry));
    Seen { value: digest, version: entries.len() as u64, epoch: 1 }
}

fn journal(entries: &[u64]) -> Last {
    Last { seen: journal_at(entries), entries: Some(entries.to_vec()) }
}

/// Returns a call that made the last of these entries.
fn entered(begun: u64, ended: u64, entries: &[u64]) -> Call {
    let change_number = *entries.last().expect("there is one");
    Call { change: change_number, ..change(begun, ended, Outcome::Done(journal_at(entries))) }
}

fn untold(begun: u64, ended: u64, entry: u64, outcome: Outcome) -> Call {
    Call { change: entry, ..change(begun, ended, outcome) }
}

#[test]
fn a_journal_tells_which_call_made_which_version() {
    let calls = [
        entered(0, 1, &[1]),
        untold(2, 3, 2, Outcome::Unknown),
        untold(2, 3, 3, Outcome::NotExecuted),
        entered(4, 5, &[1, 4]),
    ];
    assert_eq!(check(&calls, &journal(&[1, 4])), Ok(()));
    assert_eq!(check(&calls, &journal(&[1, 4, 2])), Ok(()), "it may land late");
    let wrong = Err(Violation::WrongValue(journal_at(&[1, 4])));
    assert_eq!(check(&calls, &journal(&[1, 2, 4])), wrong, "4 was answered without 2 before it");
    let refused = Err(Violation::NotExecuted { version: 3 });
    assert_eq!(check(&calls, &journal(&[1, 4, 3])), refused);
    let twice = Err(Violation::TwoChanges { version: 4 });
    assert_eq!(check(&calls, &journal(&[1, 4, 2, 2])), twice);
    let foreign = Err(Violation::Unexplained { version: 3 });
    assert_eq!(check(&calls, &journal(&[1, 4, 9])), foreign);
    assert_eq!(check(&calls, &journal(&[1])), Err(Violation::Lost { version: 2 }));
}

#[test]
fn a_journal_with_a_gap_is_found() {
    let last = Last { entries: Some(vec![1]), ..journal(&[1, 2]) };
    let gap = Violation::Gap { version: 2, entries: 1 };
    assert_eq!(check(&[entered(0, 1, &[1])], &last), Err(gap));
}

#[test]
fn an_unknown_call_that_a_journal_has_too_early_is_found() {
    let other = entered(0, 1, &[2, 1]);
    let calls = [other, untold(2, 3, 2, Outcome::Unknown)];
    let early = Violation::OutOfOrder { seen: 1, known: 2 };
    assert_eq!(check(&calls, &journal(&[2, 1])), Err(early));
}

#[test]
fn an_answered_entry_that_is_replaced_is_found() {
    let calls = [entered(0, 1, &[1]), untold(0, 1, 2, Outcome::Unknown)];
    let replaced = Violation::WrongValue(journal_at(&[1]));
    assert_eq!(check(&calls, &journal(&[2])), Err(replaced));
}

fn record(version: u64, state: &serde_json::Value) -> Vec<u8> {
    let record = json!({
        "format": 1, "type": "journal", "key": "a", "version": version, "epoch": 3, "owner": "n1",
        "recent": [[version, "00"]], "answered": [["k", "ff", 1, 1, 1, 0, null]], "state": state,
    });
    let mut bytes = record.to_string().into_bytes();
    bytes.pop();
    let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.extend(format!(",\"checksum\":\"sha256:{sum}\"}}").into_bytes());
    bytes
}

#[test]
fn a_record_is_read_as_it_is_documented() {
    let digest = journal_at(&[5, 6]).value;
    let bytes = record(2, &json!({ "entries": [5, 6], "digest": digest }));
    let read = Record::read(&bytes).unwrap();
    assert_eq!((&*read.object, read.version, read.epoch), ("journal/a", 2, 3));
    assert_eq!(read.answered.get("k"), Some(&1));
    let seen = Seen { epoch: 3, ..journal_at(&[5, 6]) };
    assert_eq!(read.last(), Ok(Last { seen, entries: Some(vec![5, 6]) }));
    for index in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[index] ^= 1;
        assert!(Record::read(&damaged).is_err(), "byte {index}");
    }
    let wrong = record(2, &json!({ "entries": [5, 6], "digest": 1 }));
    assert!(Record::read(&wrong).unwrap().last().is_err());
}

/// Generates histories of correct objects, in which callers may or may not receive the outcome.
#[test]
fn every_history_of_an_object_that_behaves_is_accepted() {
    let mut random = seed::random_numbers("every_history_of_an_object_that_behaves_is_accepted");
    for round in 0..200 {
        let is_journal = round % 2 == 1;
        let (mut calls, mut entries) = (Vec::new(), Vec::new());
        let seen = |entries: &[u64]| {
            if is_journal { journal_at(entries) } else { at(entries.len() as u64) }
        };
        for moment in (100..4_000).step_by(10) {
            // It takes effect at `moment`; its caller sees it begin before and end after that.
            let begun = moment - random.random_range(1..100);
            let ended = moment + random.random_range(1..100);
            let call = match random.random_range(0..5) {
                0 => Call { outcome: Outcome::Done(seen(&entries)), ..read(begun, ended, 0) },
                1 => untold(begun, ended, moment, Outcome::NotExecuted),
                luck => {
                    if luck != 2 || random.random() {
                        entries.push(moment);
                    }
                    let outcome = Outcome::Done(seen(&entries));
                    untold(begun, ended, moment, if luck == 2 { Outcome::Unknown } else { outcome })
                }
            };
            calls.push(call);
        }
        let entries = entries.as_slice();
        let last = Last { seen: seen(entries), entries: is_journal.then(|| entries.to_vec()) };
        assert_eq!(check(&calls, &last), Ok(()));
        // The same history with one version lost, and with one change made twice.
        let shorter = &entries[..entries.len() - 1];
        let lost = Last { seen: seen(shorter), entries: is_journal.then(|| shorter.to_vec()) };
        let told = calls.iter().any(|call| call.outcome == Outcome::Done(last.seen));
        assert_eq!(check(&calls, &lost).is_err(), told);
    }
}

#[test]
fn an_older_revision_after_a_newer_one_is_found() {
    let by = |call: Call, revision| Call { revision: Some(revision), ..call };
    let falls = |calls: &[Call]| revisions::check(calls).is_err();
    assert!(!falls(&[by(done(0, 1, 1), 1), by(done(2, 3, 2), 2), done(4, 5, 3)]));
    assert!(
        !falls(&[by(read(0, 3, 1), 2), by(read(1, 2, 1), 1)]),
        "concurrent, so the order is unknown"
    );
    assert!(falls(&[by(read(0, 1, 1), 2), by(read(2, 3, 1), 1)]), "in the order of time");
    assert!(falls(&[by(done(0, 3, 1), 2), by(done(1, 2, 2), 1)]), "in the order of versions");
}
