//! Roll-backs as changes of the record.

use super::*;
use crate::catalog::rollout::Stage;
use crate::catalog::testing::{self, digest};
use crate::id::TypeName;

const NOW: u64 = 1_000;

fn deploy(record: &mut TypeRecord, text: &str, options: &DeployOptions) -> Result<bool, Error> {
    let done = testing::deploy(record, digest(text), options, NOW);
    done.map(|done| done.is_new)
}

/// Returns a type with these components as revisions, of which the last is current.
fn deployed(components: &[&str]) -> TypeRecord {
    let mut record = TypeRecord::new(TypeName::new("todo").unwrap());
    for text in components {
        assert_eq!(deploy(&mut record, text, &DeployOptions::default()), Ok(true));
        record.roll(NOW);
        record.close();
    }
    record
}

fn back(to: Option<u32>) -> Back {
    Back { to, ..Back::default() }
}

fn went(revision: u32, is_new: bool) -> Result<RolledBack, Error> {
    Ok(RolledBack { revision, is_new })
}

/// Returns revision 3 on its way back to revision 2, at this stage.
fn going_back(stage: Stage) -> TypeRecord {
    let mut record = deployed(&["a", "b", "a"]);
    assert_eq!(record.roll_back(&back(None), NOW), went(2, true));
    if stage == Stage::Rolling {
        record.roll(NOW);
    }
    record
}

#[test]
fn a_roll_back_during_a_roll_back_goes_back_further_and_never_forward() {
    for stage in [Stage::Preparing, Stage::Rolling] {
        let mut record = going_back(stage);
        assert_eq!(record.roll_back(&back(None), NOW), went(1, true), "{stage:?}");
        let open = record.rollout.as_ref().unwrap();
        assert_eq!(
            (open.revision, open.stage, &open.scope),
            (1, Stage::Preparing, &RolloutScope::All)
        );
        let before = record.clone();
        let none = record.roll_back(&back(None), NOW).unwrap_err();
        assert_eq!(
            (none.code, &record),
            (ErrorCode::RevisionNotFound, &before),
            "there is no older one"
        );
        record.roll(NOW);
        record.close();
        assert_eq!(record.current, 1);
        let reasons = record.revisions.iter().filter(|entry| entry.rolled_back.is_some());
        assert_eq!(reasons.count(), 0, "{stage:?}: no revision failed");
    }
}

#[test]
fn a_roll_back_is_cancelled_only_by_name() {
    for stage in [Stage::Preparing, Stage::Rolling] {
        let mut record = going_back(stage);
        assert_eq!(record.roll_back(&back(Some(2)), NOW), went(2, false), "it is on its way");
        let other = record.roll_back(&back(Some(1)), NOW).unwrap_err();
        assert_eq!(other.code, ErrorCode::DeploymentConflict);
        assert!(other.message.contains("rolled back to revision 2"), "{other}");
        assert!(other.hint.unwrap().contains("--to 3"));
        assert_eq!(record.roll_back(&back(Some(3)), NOW), went(3, true));
        assert_eq!((record.current, &record.rollout), (3, &None));
        assert_eq!(record.entry(2).unwrap().rolled_back, None, "revision 2 did not fail");
        assert_eq!(record.roll_back(&back(None), NOW), went(2, true), "and can be gone back to");
    }
}

#[test]
fn a_deployment_of_the_component_that_is_gone_back_to_sets_no_failure_limit() {
    for stage in [Stage::Preparing, Stage::Rolling] {
        let mut record = going_back(stage);
        let before = record.clone();
        assert_eq!(deploy(&mut record, "b", &DeployOptions::default()), Ok(false));
        assert_eq!(record, before);
        let other = deploy(&mut record, "c", &DeployOptions::default()).unwrap_err();
        assert_eq!(other.code, ErrorCode::DeploymentConflict);
    }
}

#[test]
fn a_roll_back_ends_a_roll_out_and_marks_its_revision() {
    for scope in [RolloutScope::All, RolloutScope::Percent(10)] {
        for to in [None, Some(2)] {
            let mut record = deployed(&["a", "b"]);
            let options = DeployOptions { scope: scope.clone(), ..DeployOptions::default() };
            assert_eq!(deploy(&mut record, "c", &options), Ok(true));
            record.roll(NOW);
            record.watch(NOW);
            assert_eq!(record.roll_back(&back(to), NOW), went(2, true));
            assert_eq!((record.current, &record.rollout), (2, &None));
            assert!(record.entry(3).unwrap().rolled_back.is_some());
        }
    }
}

#[test]
fn a_roll_back_to_the_current_revision_changes_nothing() {
    let mut record = deployed(&["a", "b"]);
    let before = record.clone();
    assert_eq!(record.roll_back(&back(Some(2)), NOW), went(2, false));
    assert_eq!(record, before);
    let keyed = Back { key: Some("k".to_owned()), ..back(Some(2)) };
    assert_eq!(record.roll_back(&keyed, NOW), went(2, false));
    assert_eq!(record.rolled_back(&keyed), Ok(Some(2)), "its key is stored");
}

#[test]
fn a_roll_back_leads_to_the_same_component_with_another_limit_of_its_calls() {
    let mut record = deployed(&["a"]);
    let by = crate::caller::Principal::new("ci", "deploy:todo".parse().unwrap()).unwrap();
    let options = DeployOptions { by: by.into(), ..DeployOptions::default() };
    assert_eq!(deploy(&mut record, "a", &options), Ok(true));
    record.roll(NOW);
    record.close();
    assert_eq!(record.roll_back(&back(None), NOW), went(1, true));
    let limits = record.revisions.iter().map(|entry| entry.may_call.to_string());
    assert_eq!(limits.collect::<Vec<_>>(), ["*", "-"], "each revision keeps its limit");
}
