//! Deployments as changes of the record: repetitions, canaries and failure limits.

use super::*;
use crate::catalog::testing::{self, digest};
use crate::id::TypeName;

fn options(scope: RolloutScope) -> DeployOptions {
    DeployOptions { scope, ..DeployOptions::default() }
}

fn keyed(key: &str) -> DeployOptions {
    DeployOptions { key: Some(key.to_owned()), ..DeployOptions::default() }
}

fn deploy(record: &mut TypeRecord, text: &str, options: &DeployOptions) -> Result<Released, Error> {
    testing::deploy(record, digest(text), options, 1_000)
}

/// Returns a type whose revision 2, of component b, replaces revision 1 with these options and is at this stage.
fn at(stage: Stage, options: &DeployOptions) -> TypeRecord {
    let mut record = TypeRecord::new(TypeName::new("todo").unwrap());
    deploy(&mut record, "a", &DeployOptions::default()).unwrap();
    deploy(&mut record, "b", options).unwrap();
    if stage != Stage::Preparing {
        record.roll(1_000);
    }
    if stage == Stage::Verifying {
        record.watch(1_000);
    }
    record
}

fn released(revision: u32, scope: RolloutScope, is_new: bool) -> Released {
    Released { revision, scope, is_new }
}

#[test]
fn a_revision_that_is_released_for_all_cannot_become_a_canary() {
    let parts = || [RolloutScope::Percent(1), RolloutScope::Keys(vec!["x".to_owned()])];
    for stage in [Stage::Preparing, Stage::Rolling] {
        for scope in parts() {
            let mut record = at(stage, &DeployOptions::default());
            let before = record.clone();
            let error = deploy(&mut record, "b", &options(scope)).unwrap_err();
            assert_eq!(error.code, ErrorCode::DeploymentConflict, "{stage:?}");
            assert!(error.message.contains("cannot become a canary"), "{error}");
            assert_eq!(record, before, "{stage:?}");
        }
    }
    for scope in parts() {
        let mut record = at(Stage::Verifying, &DeployOptions::default());
        let before = record.clone();
        let done = deploy(&mut record, "b", &options(scope.clone()));
        assert_eq!(done, Ok(released(2, RolloutScope::All, false)));
        assert_eq!(record, before, "it is still watched, and the next deployment can begin");
        record.close();
        assert_eq!(
            deploy(&mut record, "b", &options(scope)),
            Ok(released(2, RolloutScope::All, false))
        );
        let next = deploy(&mut record, "c", &DeployOptions::default());
        assert_eq!(next, Ok(released(3, RolloutScope::All, true)));
    }
}

#[test]
fn a_canary_can_change_its_share() {
    let few = || RolloutScope::Percent(5);
    for (stage, scope, expected, current) in [
        (Stage::Preparing, RolloutScope::Percent(50), Stage::Preparing, 1),
        (Stage::Rolling, RolloutScope::Percent(50), Stage::Rolling, 1),
        (Stage::Verifying, RolloutScope::Percent(50), Stage::Rolling, 1),
        (Stage::Verifying, RolloutScope::Keys(vec!["x".to_owned()]), Stage::Rolling, 1),
        (Stage::Preparing, RolloutScope::All, Stage::Preparing, 1),
        (Stage::Verifying, RolloutScope::All, Stage::Rolling, 2),
    ] {
        let mut record = at(stage, &options(few()));
        let done = deploy(&mut record, "b", &options(scope.clone()));
        assert_eq!(done, Ok(released(2, scope.clone(), true)));
        let open = record.rollout.as_ref().unwrap();
        assert_eq!((open.stage, &open.scope, record.current), (expected, &scope, current));
    }
}

#[test]
fn the_failure_limit_of_the_last_deployment_counts() {
    let limited = |limit, scope| DeployOptions { failures_per_mille_max: limit, ..options(scope) };
    let few = || RolloutScope::Percent(5);
    for (scope, stage, expected) in [
        (few(), Stage::Verifying, Stage::Verifying),
        (few(), Stage::Preparing, Stage::Preparing),
        (RolloutScope::Percent(50), Stage::Verifying, Stage::Rolling),
        (RolloutScope::All, Stage::Verifying, Stage::Rolling),
    ] {
        for (before, after) in [(Some(10), Some(2)), (Some(10), None), (None, Some(10))] {
            let mut record = at(stage, &limited(before, few()));
            let repeated = limited(after, scope.clone());
            let done = deploy(&mut record, "b", &repeated);
            assert_eq!(done, Ok(released(2, scope.clone(), true)));
            let open = record.rollout.clone().unwrap();
            assert_eq!((open.failures_per_mille_max, open.stage), (after, expected));
            let done = deploy(&mut record, "b", &repeated);
            assert_eq!(done, Ok(released(2, scope.clone(), false)), "the second changes nothing");
            assert_eq!(record.rollout, Some(open));
        }
    }
}

#[test]
fn a_deployment_that_changes_nothing_stores_its_key() {
    for stage in [Some(Stage::Preparing), Some(Stage::Rolling), Some(Stage::Verifying), None] {
        let mut record = at(stage.unwrap_or(Stage::Verifying), &DeployOptions::default());
        if stage.is_none() {
            record.close();
        }
        let done = deploy(&mut record, "b", &keyed("k"));
        assert_eq!(done, Ok(released(2, RolloutScope::All, false)), "{stage:?}");
        record.roll(1_000);
        record.close();
        deploy(&mut record, "c", &DeployOptions::default()).unwrap();
        assert_eq!(record.repeated(digest("b"), &keyed("k")), Ok(Some(2)), "{stage:?}");
        let reused = record.repeated(digest("c"), &keyed("k")).unwrap_err();
        assert_eq!(reused.code, ErrorCode::IdempotencyKeyReused, "{stage:?}");
    }
}

#[test]
fn an_outcome_has_the_share_that_the_record_has() {
    let mut record = TypeRecord::new(TypeName::new("todo").unwrap());
    let first = deploy(&mut record, "a", &options(RolloutScope::Percent(10)));
    assert_eq!(
        first,
        Ok(released(1, RolloutScope::All, true)),
        "nothing else could run the others"
    );
    let canary = deploy(&mut record, "b", &options(RolloutScope::Percent(10)));
    assert_eq!(canary, Ok(released(2, RolloutScope::Percent(10), true)));
    assert_eq!(record.released(2), released(2, RolloutScope::Percent(10), false));
    assert_eq!(record.released(1), released(1, RolloutScope::All, false));
}

/// Returns options of a deployment by a principal with these scopes.
fn by(scopes: &str) -> DeployOptions {
    let principal = crate::caller::Principal::new("ci", scopes.parse().unwrap()).unwrap();
    DeployOptions { by: principal.into(), ..DeployOptions::default() }
}

#[test]
fn a_revision_records_what_its_deployer_may_call_and_keeps_it() {
    let mut record = TypeRecord::new(TypeName::new("todo").unwrap());
    let limits = |record: &TypeRecord| -> Vec<String> {
        record.revisions.iter().map(|entry| entry.may_call.to_string()).collect()
    };
    let narrow = by("deploy:todo");
    let wide = by("deploy:todo,call:list");
    assert_eq!(deploy(&mut record, "a", &narrow), Ok(released(1, RolloutScope::All, true)));
    assert_eq!(deploy(&mut record, "a", &narrow), Ok(released(1, RolloutScope::All, false)));
    assert_eq!(deploy(&mut record, "a", &wide), Ok(released(2, RolloutScope::All, true)));
    assert_eq!(limits(&record), ["-", "list"]);
    assert_eq!(TypeRecord::decode("todo", &record.encode()), Ok(record.clone()));
    // Any principal can continue the roll-out of revision 2, which keeps its limit.
    for options in [&narrow, &wide, &DeployOptions::default()] {
        assert_eq!(deploy(&mut record, "a", options), Ok(released(2, RolloutScope::All, false)));
    }
    record.roll(1_000);
    record.watch(1_000);
    assert_eq!(deploy(&mut record, "a", &wide), Ok(released(2, RolloutScope::All, false)));
    let done = deploy(&mut record, "a", &DeployOptions::default());
    assert_eq!(done, Ok(released(3, RolloutScope::All, true)));
    record.roll(1_000);
    record.close();
    assert_eq!(deploy(&mut record, "a", &narrow), Ok(released(4, RolloutScope::All, true)));
    assert_eq!(limits(&record), ["-", "list", "*", "-"]);
}

#[test]
fn a_canary_keeps_its_limit_when_another_principal_releases_it() {
    let mut record = TypeRecord::new(TypeName::new("todo").unwrap());
    deploy(&mut record, "a", &DeployOptions::default()).unwrap();
    let part = RolloutScope::Percent(10);
    let canary = DeployOptions { scope: part.clone(), ..by("deploy:todo,call:list") };
    assert_eq!(deploy(&mut record, "b", &canary), Ok(released(2, part, true)));
    record.roll(1_000);
    record.watch(1_000);
    let all = deploy(&mut record, "b", &by("deploy:todo"));
    assert_eq!(all, Ok(released(2, RolloutScope::All, true)));
    assert_eq!(record.entry(2).unwrap().may_call.to_string(), "list");
}
