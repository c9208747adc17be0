//! The checker accepts what may be, and finds each planted fault.

use rand::RngExt as _;

use super::check::{Violation, check};
use super::{Call, Kind, Outcome, Seen};
use crate::seed;

fn at(version: u64) -> Seen {
    Seen { value: version, version, epoch: Some(1) }
}

fn increment(begun: u64, ended: u64, outcome: Outcome) -> Call {
    Call { begun, ended, kind: Kind::Increment, key: None, outcome }
}

fn done(begun: u64, ended: u64, version: u64) -> Call {
    increment(begun, ended, Outcome::Done(at(version)))
}

fn read(begun: u64, ended: u64, version: u64) -> Call {
    Call { kind: Kind::Read, ..done(begun, ended, version) }
}

fn keyed(mut call: Call) -> Call {
    call.key = Some("k".to_owned());
    call
}

#[track_caller]
fn check_found(calls: &[Call], last: Seen, expected: &Violation) {
    assert_eq!(check(calls, last).as_ref(), Err(expected));
}

#[test]
fn concurrent_calls_may_take_effect_in_any_order() {
    assert_eq!(check(&[done(0, 5, 2), done(1, 4, 1), read(2, 3, 1)], at(2)), Ok(()));
    assert_eq!(check(&[done(0, 5, 2), done(1, 4, 1), read(2, 3, 0)], at(2)), Ok(()));
}

#[test]
fn unknown_calls_may_have_taken_effect_or_not() {
    let calls = [done(0, 1, 1), increment(2, 3, Outcome::Unknown), done(4, 5, 3)];
    assert_eq!(check(&calls, at(3)), Ok(()));
    let calls = [done(0, 1, 1), increment(2, 3, Outcome::Unknown), done(4, 5, 2)];
    assert_eq!(check(&calls, at(2)), Ok(()));
    assert_eq!(check(&calls, at(3)), Ok(()), "it may land late");
}

#[test]
fn a_version_made_twice_is_found() {
    check_found(&[done(0, 3, 1), done(1, 2, 1)], at(1), &Violation::TwoChanges { version: 1 });
}

#[test]
fn a_number_that_is_not_of_its_version_is_found() {
    let seen = Seen { value: 3, ..at(2) };
    let calls = [done(0, 1, 1), increment(2, 3, Outcome::Done(seen))];
    check_found(&calls, at(2), &Violation::WrongValue(seen));
}

#[test]
fn a_lost_answer_is_found() {
    let calls = [done(0, 1, 1), done(2, 3, 2)];
    check_found(&calls, at(1), &Violation::Lost { version: 2 });
}

#[test]
fn an_update_that_did_not_see_an_earlier_one_is_found() {
    let calls = [done(0, 1, 2), done(2, 3, 1)];
    check_found(&calls, at(2), &Violation::OutOfOrder { seen: 1, known: 2 });
    // Two increments before which somebody had read the second one's version.
    let calls = [done(0, 5, 1), read(1, 2, 2), done(3, 4, 2)];
    check_found(&calls, at(2), &Violation::OutOfOrder { seen: 2, known: 2 });
}

#[test]
fn a_stale_read_is_found() {
    let calls = [done(0, 1, 1), done(2, 3, 2), read(4, 5, 1)];
    check_found(&calls, at(2), &Violation::OutOfOrder { seen: 1, known: 2 });
}

#[test]
fn an_epoch_that_falls_is_found() {
    let fallen = Seen { epoch: Some(0), ..at(2) };
    let calls = [done(0, 1, 1), increment(2, 3, Outcome::Done(fallen))];
    check_found(&calls, at(2), &Violation::EpochFell { version: 2 });
}

#[test]
fn a_call_that_was_said_not_to_be_executed_and_was_is_found() {
    let calls = [done(0, 1, 1), increment(2, 3, Outcome::NotExecuted)];
    check_found(&calls, at(2), &Violation::Unexplained { version: 2 });
}

#[test]
fn an_unknown_call_that_took_effect_twice_is_found() {
    let calls = [increment(0, 1, Outcome::Unknown), done(2, 3, 3)];
    check_found(&calls, at(3), &Violation::Unexplained { version: 2 });
}

#[test]
fn an_unknown_call_that_took_effect_before_it_began_is_found() {
    let calls = [done(0, 1, 2), increment(2, 3, Outcome::Unknown)];
    check_found(&calls, at(2), &Violation::Unexplained { version: 1 });
    // What is read is known as well.
    let calls = [read(0, 1, 1), increment(2, 3, Outcome::Unknown)];
    check_found(&calls, at(1), &Violation::Unexplained { version: 1 });
}

#[test]
fn calls_with_one_key_are_one_change() {
    let unknown = keyed(increment(0, 1, Outcome::Unknown));
    let answered = [unknown.clone(), done(2, 3, 2), keyed(done(4, 5, 1)), keyed(done(6, 7, 1))];
    assert_eq!(check(&answered, at(2)), Ok(()));
    let twice = [unknown, keyed(done(2, 3, 1)), keyed(done(4, 5, 2))];
    check_found(&twice, at(2), &Violation::TwoChanges { version: 2 });
    let hidden = [keyed(done(0, 1, 1)), keyed(increment(2, 3, Outcome::Unknown))];
    check_found(&hidden, at(2), &Violation::Unexplained { version: 2 });
}

/// Histories of a counter that behaves, whose callers learn of what happened or not.
#[test]
fn every_history_of_a_counter_that_behaves_is_accepted() {
    let mut random = seed::random_numbers("every_history_of_a_counter_that_behaves_is_accepted");
    for _ in 0..200 {
        let (mut calls, mut version) = (Vec::new(), 0);
        for moment in (100..4_000).step_by(10) {
            // It takes effect at `moment`; its caller saw it begin and end around that.
            let begun = moment - random.random_range(1..100);
            let ended = moment + random.random_range(1..100);
            let call = match random.random_range(0..5) {
                0 => read(begun, ended, version),
                1 => increment(begun, ended, Outcome::NotExecuted),
                luck => {
                    let is_executed = luck != 2 || random.random();
                    version += u64::from(is_executed);
                    let outcome = Outcome::Done(at(version));
                    increment(begun, ended, if luck == 2 { Outcome::Unknown } else { outcome })
                }
            };
            calls.push(call);
        }
        assert_eq!(check(&calls, at(version)), Ok(()));
    }
}
