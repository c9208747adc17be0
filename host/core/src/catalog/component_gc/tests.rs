//! Removable components, by their successors and by time.

use super::*;
use crate::catalog::deploy::DeployOptions;
use crate::catalog::repeated::Back;
use crate::catalog::rollout::RolloutScope;
use crate::catalog::testing;
use crate::id::TypeName;

const RETENTION: Retention = Retention { kept_count: 2, after_ms: 100 };

fn digest(n: u32) -> Digest {
    Digest::of(&n.to_be_bytes())
}

fn deploy(record: &mut TypeRecord, n: u32, now_ms: u64) -> u32 {
    let options = DeployOptions::default();
    let deployed = testing::deploy(record, digest(n), &options, now_ms).unwrap();
    if record.rollout.is_some() {
        record.roll(now_ms);
        record.close();
    }
    deployed.revision
}

/// Returns a type with the revisions 1 to `count`, deployed one after the other.
fn deployed(count: u32) -> TypeRecord {
    let mut record = TypeRecord::new(TypeName::new("todo").unwrap());
    (1..=count).for_each(|n| assert_eq!(deploy(&mut record, n, 0), n));
    record
}

fn overdue(record: &TypeRecord, now_ms: u64) -> Vec<Digest> {
    record.overdue(RETENTION, now_ms).into_iter().collect()
}

fn sorted<const N: usize>(numbers: [u32; N]) -> Vec<Digest> {
    numbers.map(digest).into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn the_newest_are_kept_and_the_others_are_overdue_after_a_time() {
    let mut record = deployed(4);
    assert!(overdue(&record, 1_000_000).is_empty(), "nothing was noted yet");
    assert!(record.retire(RETENTION, 10));
    assert!(!record.retire(RETENTION, 20), "it is already recorded");
    assert!(overdue(&record, 109).is_empty());
    assert_eq!(overdue(&record, 110), sorted([1, 2]));
}

#[test]
fn what_is_asked_for_again_is_not_overdue() {
    let mut record = deployed(4);
    record.retire(RETENTION, 0);
    record.roll_back(&Back { to: Some(1), ..Back::default() }, 50).unwrap();
    assert_eq!(overdue(&record, 1000), sorted([2]), "1 is coming");
    record.roll(50);
    record.close();
    record.retire(RETENTION, 60);
    assert_eq!(record.current, 1);
    deploy(&mut record, 5, 70);
    assert_eq!(overdue(&record, 1000), sorted([2]), "nobody has noted that 1 went again");
    assert!(record.retire(RETENTION, 80));
    assert_eq!(overdue(&record, 179), sorted([2]), "1 went at 80, and 3 did too");
    assert_eq!(overdue(&record, 180), sorted([1, 2, 3]));
}

#[test]
fn what_was_taken_back_is_not_kept_for_going_back_to_it() {
    let mut record = deployed(3);
    let options = DeployOptions::default();
    testing::deploy(&mut record, digest(4), &options, 0).unwrap();
    record.retire(RETENTION, 0);
    assert_eq!(overdue(&record, 100), sorted([1, 2]), "it is on its way");
    record.revert("it failed");
    record.retire(RETENTION, 100);
    assert_eq!(overdue(&record, 200), sorted([1, 4]));
}

#[test]
fn a_part_of_the_objects_keeps_both_revisions() {
    let mut record = deployed(1);
    let options = DeployOptions { scope: RolloutScope::Percent(10), ..DeployOptions::default() };
    testing::deploy(&mut record, digest(2), &options, 0).unwrap();
    record.roll(0);
    record.watch(0);
    let none = Retention { kept_count: 0, after_ms: 0 };
    assert!(!record.retire(none, 10));
    assert!(record.overdue(none, 1000).is_empty());
}

#[test]
fn a_component_in_use_is_looked_for_again_after_as_long_a_time() {
    let mut record = deployed(4);
    record.retire(RETENTION, 0);
    record.found_in_use(digest(1), 100);
    assert_eq!(overdue(&record, 199), sorted([2]));
    assert_eq!(overdue(&record, 200), sorted([1, 2]));
}

#[test]
fn a_component_that_comes_again_lies_under_another_name() {
    let mut record = deployed(4);
    assert_eq!(record.copy_of(digest(1)), 0);
    record.collect(digest(1));
    let collected = record.entry(1).unwrap();
    assert!(collected.is_collected);
    assert_eq!((collected.description.documentation.as_str(), collected.copy), ("", 0));
    assert_eq!(record.copy_of(digest(1)), 1);
    assert_eq!(deploy(&mut record, 1, 0), 5);
    assert_eq!((record.entry(5).unwrap().copy, record.copy_of(digest(1))), (1, 1));
    record.retire(RETENTION, 0);
    assert_eq!(overdue(&record, 100), sorted([2, 3]), "what is gone is not overdue");
    let refused = record.roll_back(&Back { to: Some(1), ..Back::default() }, 0).unwrap_err();
    assert!(refused.message.contains("was removed"), "{refused}");
}

#[test]
fn the_same_component_under_two_numbers_is_kept_for_both() {
    let mut record = deployed(2);
    deploy(&mut record, 1, 0);
    deploy(&mut record, 4, 0);
    record.retire(RETENTION, 0);
    assert_eq!(overdue(&record, 100), sorted([2]), "1 is 3 too");
    deploy(&mut record, 5, 0);
    record.retire(RETENTION, 0);
    record.collect(digest(1));
    assert!(record.entry(1).unwrap().is_collected && record.entry(3).unwrap().is_collected);
}
