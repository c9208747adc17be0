//! Deployments and roll-backs with keys, as changes of the record.

use super::*;
use crate::catalog::testing::{self, digest};
use crate::id::TypeName;

const NOW: u64 = 1_000;

fn keyed(key: &str) -> DeployOptions {
    DeployOptions { key: Some(key.to_owned()), ..DeployOptions::default() }
}

fn back(to: Option<u32>, key: &str) -> Back {
    Back { to, key: Some(key.to_owned()), ..Back::default() }
}

/// Deploys a component for all objects.
fn deploy(record: &mut TypeRecord, text: &str, key: &str) -> u32 {
    let done = testing::deploy(record, digest(text), &keyed(key), NOW).unwrap();
    record.roll(NOW);
    record.close();
    assert!(done.is_new, "{text}");
    done.revision
}

/// Rolls a type back and closes the roll-out.
fn roll_back(record: &mut TypeRecord, back: &Back) -> u32 {
    let revision = record.roll_back(back, NOW).unwrap().revision;
    record.roll(NOW);
    record.close();
    revision
}

/// Returns a type with the components a, b and c, deployed with the keys ka, kb and kc. c is current.
fn deployed() -> TypeRecord {
    let mut record = TypeRecord::new(TypeName::new("todo").unwrap());
    for (number, text) in (1..).zip(["a", "b", "c"]) {
        assert_eq!(deploy(&mut record, text, &format!("k{text}")), number);
    }
    record
}

#[test]
fn a_roll_back_that_is_repeated_goes_back_once_whatever_came_between() {
    let mut record = deployed();
    let once = back(None, "once");
    assert_eq!(record.rolled_back(&once), Ok(None));
    assert_eq!(roll_back(&mut record, &once), 2);
    assert_eq!(TypeRecord::decode("todo", &record.encode()), Ok(record.clone()));
    assert_eq!(record.rolled_back(&once), Ok(Some(2)));
    deploy(&mut record, "d", "kd");
    assert_eq!(record.rolled_back(&once), Ok(Some(2)), "the later one stays");
    assert_eq!(record.rolled_back(&back(None, "twice")), Ok(None), "it is another one");
    assert_eq!(record.rolled_back(&Back::default()), Ok(None));
}

#[test]
fn a_key_is_for_one_thing() {
    let mut record = deployed();
    roll_back(&mut record, &back(None, "before"));
    roll_back(&mut record, &back(Some(1), "named"));
    for (asked, word) in [
        (back(Some(2), "before"), "the one before"),
        (back(None, "named"), "revision 1"),
        (back(Some(2), "named"), "revision 1"),
        (back(None, "ka"), "revision 1 of todo was deployed"),
    ] {
        let error = record.rolled_back(&asked).unwrap_err();
        assert_eq!(error.code, ErrorCode::IdempotencyKeyReused, "{asked:?}");
        assert!(error.message.contains(word), "{asked:?}: {error}");
    }
    let error = record.repeated(digest("a"), &keyed("before")).unwrap_err();
    assert_eq!(error.code, ErrorCode::IdempotencyKeyReused);
    assert!(error.message.contains("rolled back"), "{error}");
    assert_eq!(record.repeated(digest("b"), &keyed("kb")), Ok(Some(2)));
    let error = record.repeated(digest("a"), &keyed("kb")).unwrap_err();
    assert_eq!(error.code, ErrorCode::IdempotencyKeyReused);
}

#[test]
fn the_newest_keys_are_kept() {
    let mut record = deployed();
    for n in 0..=KEYS_MAX {
        roll_back(&mut record, &back(Some(1 + n as u32 % 2), &n.to_string()));
    }
    assert_eq!(record.rollbacks.len(), KEYS_MAX);
    assert_eq!(record.rolled_back(&back(Some(1), "0")), Ok(None));
    assert_eq!(record.rolled_back(&back(Some(2), "1")), Ok(Some(2)));
}

/// With and without objects of the removed type.
#[test]
fn a_type_that_comes_again_knows_no_keys_from_before() {
    for (objects, number) in [(0, 3), (5, 3)] {
        let mut record = deployed();
        assert_eq!(roll_back(&mut record, &back(Some(3), "back")), 3);
        record.remove(objects, &Caller::Anonymous, NOW).unwrap();
        for (text, key) in [("a", "ka"), ("c", "kc"), ("b", "ka"), ("c", "back")] {
            assert_eq!(record.repeated(digest(text), &keyed(key)), Ok(None), "{key}");
        }
        assert_eq!(record.rolled_back(&back(Some(3), "back")), Ok(None));
        assert_eq!(
            record.roll_back(&back(Some(3), "back"), NOW).unwrap_err().code,
            ErrorCode::UnknownType
        );
        // With the key of its former deployment.
        assert_eq!(deploy(&mut record, "c", "kc"), number);
        assert_eq!(record.repeated(digest("c"), &keyed("kc")), Ok(Some(number)));
        for key in ["ka", "kb", "back"] {
            assert_eq!(record.repeated(digest("d"), &keyed(key)), Ok(None), "{key}");
        }
        assert!(record.rollbacks.is_empty());
    }
}
