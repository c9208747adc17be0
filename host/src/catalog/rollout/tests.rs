//! Deployments as changes of the record: repetitions, canaries and failure limits.

use super::*;
use crate::catalog::testing::{description, digest};
use crate::id::TypeName;

fn terms(share: Share) -> Terms {
    Terms { share, ..Terms::default() }
}

fn keyed(key: &str) -> Terms {
    Terms { key: Some(key.to_owned()), ..Terms::default() }
}

fn deploy(record: &mut TypeRecord, text: &str, terms: &Terms) -> Result<Released, Error> {
    record.deploy(digest(text), 7, &description(), terms, 1_000)
}

/// Returns a type whose revision 2, of component b, replaces revision 1 with these options and is at this stage.
fn at(stage: Stage, terms: &Terms) -> TypeRecord {
    let mut record = TypeRecord::new(TypeName::new("todo").unwrap());
    deploy(&mut record, "a", &Terms::default()).unwrap();
    deploy(&mut record, "b", terms).unwrap();
    if stage != Stage::Preparing {
        record.roll(1_000);
    }
    if stage == Stage::Watching {
        record.watch(1_000);
    }
    record
}

fn released(revision: u32, share: Share, is_new: bool) -> Released {
    Released { revision, share, is_new }
}

#[test]
fn a_revision_that_is_released_for_all_cannot_become_a_canary() {
    let parts = || [Share::Percent(1), Share::Keys(vec!["x".to_owned()])];
    for stage in [Stage::Preparing, Stage::Rolling] {
        for share in parts() {
            let mut record = at(stage, &Terms::default());
            let before = record.clone();
            let error = deploy(&mut record, "b", &terms(share)).unwrap_err();
            assert_eq!(error.code, Code::DeploymentConflict, "{stage:?}");
            assert!(error.message.contains("cannot become a canary"), "{error}");
            assert_eq!(record, before, "{stage:?}");
        }
    }
    for share in parts() {
        let mut record = at(Stage::Watching, &Terms::default());
        let before = record.clone();
        let done = deploy(&mut record, "b", &terms(share.clone()));
        assert_eq!(done, Ok(released(2, Share::All, false)));
        assert_eq!(record, before, "it is still watched, and the next deployment can begin");
        record.close();
        assert_eq!(deploy(&mut record, "b", &terms(share)), Ok(released(2, Share::All, false)));
        let next = deploy(&mut record, "c", &Terms::default());
        assert_eq!(next, Ok(released(3, Share::All, true)));
    }
}

#[test]
fn a_canary_can_change_its_share() {
    let few = || Share::Percent(5);
    for (stage, share, expected, current) in [
        (Stage::Preparing, Share::Percent(50), Stage::Preparing, 1),
        (Stage::Rolling, Share::Percent(50), Stage::Rolling, 1),
        (Stage::Watching, Share::Percent(50), Stage::Rolling, 1),
        (Stage::Watching, Share::Keys(vec!["x".to_owned()]), Stage::Rolling, 1),
        (Stage::Preparing, Share::All, Stage::Preparing, 1),
        (Stage::Watching, Share::All, Stage::Rolling, 2),
    ] {
        let mut record = at(stage, &terms(few()));
        let done = deploy(&mut record, "b", &terms(share.clone()));
        assert_eq!(done, Ok(released(2, share.clone(), true)));
        let open = record.rollout.as_ref().unwrap();
        assert_eq!((open.stage, &open.share, record.current), (expected, &share, current));
    }
}

#[test]
fn the_failure_limit_of_the_last_deployment_counts() {
    let limited = |limit, share| Terms { failures_per_mille_max: limit, ..terms(share) };
    let few = || Share::Percent(5);
    for (share, stage, expected) in [
        (few(), Stage::Watching, Stage::Watching),
        (few(), Stage::Preparing, Stage::Preparing),
        (Share::Percent(50), Stage::Watching, Stage::Rolling),
        (Share::All, Stage::Watching, Stage::Rolling),
    ] {
        for (before, after) in [(Some(10), Some(2)), (Some(10), None), (None, Some(10))] {
            let mut record = at(stage, &limited(before, few()));
            let repeated = limited(after, share.clone());
            let done = deploy(&mut record, "b", &repeated);
            assert_eq!(done, Ok(released(2, share.clone(), true)));
            let open = record.rollout.clone().unwrap();
            assert_eq!((open.failures_per_mille_max, open.stage), (after, expected));
            let done = deploy(&mut record, "b", &repeated);
            assert_eq!(done, Ok(released(2, share.clone(), false)), "the second changes nothing");
            assert_eq!(record.rollout, Some(open));
        }
    }
}

#[test]
fn a_deployment_that_changes_nothing_stores_its_key() {
    for stage in [Some(Stage::Preparing), Some(Stage::Rolling), Some(Stage::Watching), None] {
        let mut record = at(stage.unwrap_or(Stage::Watching), &Terms::default());
        if stage.is_none() {
            record.close();
        }
        let done = deploy(&mut record, "b", &keyed("k"));
        assert_eq!(done, Ok(released(2, Share::All, false)), "{stage:?}");
        record.roll(1_000);
        record.close();
        deploy(&mut record, "c", &Terms::default()).unwrap();
        assert_eq!(record.repeated(digest("b"), &keyed("k")), Ok(Some(2)), "{stage:?}");
        let reused = record.repeated(digest("c"), &keyed("k")).unwrap_err();
        assert_eq!(reused.code, Code::IdempotencyKeyReused, "{stage:?}");
    }
}

#[test]
fn an_outcome_has_the_share_that_the_record_has() {
    let mut record = TypeRecord::new(TypeName::new("todo").unwrap());
    let first = deploy(&mut record, "a", &terms(Share::Percent(10)));
    assert_eq!(first, Ok(released(1, Share::All, true)), "nothing else could run the others");
    let canary = deploy(&mut record, "b", &terms(Share::Percent(10)));
    assert_eq!(canary, Ok(released(2, Share::Percent(10), true)));
    assert_eq!(record.released(2, false), released(2, Share::Percent(10), false));
    assert_eq!(record.released(1, false), released(1, Share::All, false));
}
