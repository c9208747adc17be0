//! Removal of a type and deployment under its name, as changes of the record.

use std::collections::BTreeSet;

use super::*;
use crate::catalog::component_gc::Retention;
use crate::catalog::repeated::Back;
use crate::catalog::testing::{self, digest};
use crate::id::TypeName;

const NOW: u64 = 1_000;
const AT_ONCE: Retention = Retention { kept_count: 10, after_ms: 0 };

fn back(to: Option<u32>) -> Back {
    Back { to, ..Back::default() }
}

fn options(force: bool) -> DeployOptions {
    DeployOptions { force, ..DeployOptions::default() }
}

fn deploy(record: &mut TypeRecord, text: &str, force: bool) -> Result<Option<u32>, Error> {
    let deployed = testing::deploy(record, digest(text), &options(force), NOW)?;
    Ok(deployed.is_new.then_some(deployed.revision))
}

/// Returns a type with two revisions that was removed with this number of objects.
fn removed(objects: u64) -> TypeRecord {
    let mut record = TypeRecord::new(TypeName::new("todo").unwrap());
    assert_eq!(deploy(&mut record, "a", false), Ok(Some(1)));
    assert_eq!(deploy(&mut record, "b", false), Ok(Some(2)));
    record.roll(NOW);
    record.watch(NOW);
    record.remove(objects, &Caller::Anonymous, NOW).unwrap();
    record
}

#[test]
fn a_removed_type_is_unknown_and_says_why() {
    let mut record = removed(3);
    let again = record.remove(0, &Caller::Anonymous, NOW).unwrap_err();
    assert_eq!(again.code, ErrorCode::UnknownType);
    assert!(again.message.contains("was removed by anonymous, with 3 objects"), "{again}");
    assert_eq!(record.roll_back(&back(None), NOW).unwrap_err().code, ErrorCode::UnknownType);
    assert_eq!(record.needed().count(), 0);
    assert_eq!(TypeRecord::decode("todo", &record.encode()), Ok(record));
    let mut empty = TypeRecord::new(TypeName::new("todo").unwrap());
    assert_eq!(empty.remove(0, &Caller::Anonymous, NOW).unwrap_err().code, ErrorCode::UnknownType);
}

#[test]
fn a_type_whose_roll_out_is_under_way_is_not_removed() {
    let mut record = TypeRecord::new(TypeName::new("todo").unwrap());
    deploy(&mut record, "a", false).unwrap();
    deploy(&mut record, "b", false).unwrap();
    for step in [|_: &mut TypeRecord| {}, |record: &mut TypeRecord| record.roll(NOW)] {
        step(&mut record);
        let before = record.clone();
        let error = record.remove(0, &Caller::Anonymous, NOW).unwrap_err();
        assert_eq!(error.code, ErrorCode::DeploymentConflict);
        assert!(error.hint.unwrap().contains("highlander rollback todo"));
        assert_eq!(record, before);
    }
    record.watch(NOW);
    assert_eq!(record.remove(0, &Caller::Anonymous, NOW), Ok(()));
}

#[test]
fn the_name_of_a_type_without_objects_is_free_and_its_numbers_go_on() {
    let mut record = removed(0);
    assert_eq!(deploy(&mut record, "c", false), Ok(Some(3)));
    assert_eq!((record.current, record.removed.clone(), record.rollout.clone()), (3, None, None));
    for (written_with, is_open) in [(1, false), (2, false), (3, true), (4, true)] {
        let opened = record.may_open("milk", written_with);
        assert_eq!(opened.is_ok(), is_open, "{written_with}");
        if let Err(error) = opened {
            assert_eq!(error.code, ErrorCode::StateUnreadable);
            assert!(error.message.contains("todo/milk"), "{error}");
        }
    }
    // A roll-back never selects code of the removed type.
    let nowhere = record.clone().roll_back(&back(None), NOW).unwrap_err();
    let before = record.clone().roll_back(&back(Some(2)), NOW).unwrap_err();
    assert_eq!([nowhere.code, before.code], [ErrorCode::RevisionNotFound; 2]);
    assert_eq!(
        deploy(&mut record, "b", false),
        Ok(Some(4)),
        "the same component, and another revision"
    );
}

#[test]
fn objects_that_are_left_are_for_the_code_that_they_had() {
    let mut record = removed(3);
    for other in ["a", "c"] {
        let error = deploy(&mut record, other, false).unwrap_err();
        assert_eq!(error.code, ErrorCode::ComponentRefused);
        assert!(error.message.contains("3 objects") && error.hint.unwrap().contains("--force"));
    }
    assert!(record.removed.is_some(), "a rejected removal changes nothing");
    let mut same = record.clone();
    assert_eq!(deploy(&mut same, "b", false), Ok(Some(2)), "it exists again, unchanged");
    assert_eq!((same.current, same.removed.clone(), same.revisions.len()), (2, None, 2));
    assert!(same.may_open("milk", 1).is_ok());
    let mut forced = record;
    assert_eq!(deploy(&mut forced, "c", true), Ok(Some(3)));
    assert!(forced.may_open("milk", 1).is_ok(), "this was requested");
}

#[test]
fn components_of_a_removed_type_are_retired_and_not_kept_to_roll_back_to() {
    let mut record = removed(3);
    assert!(record.retire(AT_ONCE, NOW));
    assert_eq!(record.overdue(AT_ONCE, NOW + 1), BTreeSet::from([digest("a"), digest("b")]));
    record.collect(digest("b"));
    assert_eq!(
        deploy(&mut record, "b", false),
        Ok(Some(3)),
        "its blob is gone, and has another name now"
    );
    assert_eq!(record.copy_of(digest("b")), 1);
    assert!(record.may_open("milk", 2).is_ok());
}

#[test]
fn a_record_names_a_removal_only_while_there_was_one() {
    let mut record = TypeRecord::new(TypeName::new("todo").unwrap());
    deploy(&mut record, "a", false).unwrap();
    let text = |record: &TypeRecord| String::from_utf8(record.encode().to_vec()).unwrap();
    assert!(!text(&record).contains("removed") && !text(&record).contains("first"));
    record.remove(0, &Caller::Anonymous, NOW).unwrap();
    assert!(text(&record).contains("removed"));
    deploy(&mut record, "b", false).unwrap();
    assert!(!text(&record).contains("removed") && text(&record).contains("\"first\": 2"));
}

#[test]
fn a_removed_type_comes_again_with_the_limit_of_its_new_deployer() {
    let mut record = removed(3);
    let by = crate::caller::Principal::new("ci", "deploy:todo".parse().unwrap()).unwrap();
    let options = DeployOptions { by: by.into(), ..DeployOptions::default() };
    let deployed = testing::deploy(&mut record, digest("b"), &options, NOW).unwrap();
    assert_eq!((deployed.revision, record.current), (3, 3));
    let limits = record.revisions.iter().map(|entry| entry.may_call.to_string());
    assert_eq!(limits.collect::<Vec<_>>(), ["*", "*", "-"]);
    assert!(record.may_open("milk", 2).is_ok(), "its objects are there");
}
