//! Activations past the lease, without a claim, and during a move to another node.

use super::*;
use crate::registry;

/// Returns a machine with a change whose commit was confirmed after the lease ended.
fn committed_past_the_lease() -> Bench {
    let mut bench = Bench::live(None);
    bench.lease_ms = 100;
    bench.call(1, "add");
    bench.updated(1);
    bench.time_ms = 100;
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e"))));
    bench
}

#[test]
fn past_the_lease_nothing_is_answered_from_memory() {
    let mut bench = Bench::live(None);
    bench.lease_ms = 100;
    bench.call(1, "value");
    bench.time_ms = 100;
    bench.step(Input::Ran(RunOutcome::Queried { reply: Bytes::from_static(b"0") }));
    bench.call(2, "value");
    let refused = Err(ErrorCode::RegistryUnavailable);
    assert_eq!(bench.outcomes(), [(1, refused), (2, refused)]);
    assert!(bench.machine.status().is_some(), "it is frozen, and did not end");
}

#[test]
fn a_commit_past_the_lease_is_told_when_the_lease_holds_again() {
    let mut bench = committed_past_the_lease();
    assert_eq!(bench.outcomes(), [], "the owner of the object is not known yet");
    assert!(bench.machine.is_owing());
    bench.lease_ms = 200;
    bench.step(Input::Wake);
    assert_eq!(bench.outcomes(), [(1, Ok(1))]);
    assert!(!bench.machine.is_owing());
}

#[test]
fn a_commit_past_the_lease_is_unknown_when_the_callers_time_is_up() {
    let mut bench = committed_past_the_lease();
    bench.time_ms = 1000;
    bench.step(Input::Wake);
    assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::OutcomeUnknown))]);
}

#[test]
fn a_frozen_owner_begins_no_write_and_goes_on_with_the_lease() {
    let mut bench = Bench::live(None);
    bench.lease_ms = 100;
    bench.call(1, "add");
    bench.time_ms = 100;
    bench.actions.clear();
    bench.updated(1);
    assert!(bench.actions.is_empty(), "{:?}", bench.actions);
    bench.lease_ms = 200;
    bench.step(Input::Wake);
    assert_eq!(bench.written().version, 1);
}

#[test]
fn when_the_session_is_over_what_was_not_sent_is_not_executed() {
    let mut bench = Bench::live(None);
    bench.lease_ms = 100;
    bench.call(1, "add");
    bench.call(2, "add");
    bench.updated(1);
    bench.updated(2);
    bench.time_ms = 100;
    bench.step(Input::Deactivate(Reason::SessionOver));
    assert_eq!(bench.outcomes(), [], "the write in progress is awaited");
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e"))));
    let outcomes = [(1, Err(ErrorCode::OutcomeUnknown)), (2, Err(ErrorCode::RegistryUnavailable))];
    assert_eq!(bench.outcomes(), outcomes);
    assert!(matches!(bench.actions.last(), Some(Action::Release)));
}

#[test]
fn without_the_claim_nothing_is_answered_though_the_lease_holds() {
    let mut bench = Bench::live(None);
    bench.call(1, "value");
    bench.step(Input::Deactivate(Reason::ClaimLost));
    bench.call(2, "value");
    bench.step(Input::Ran(RunOutcome::Queried { reply: Bytes::from_static(b"0") }));
    let outcomes = bench.outcomes();
    assert_eq!(outcomes, [(1, Err(ErrorCode::RegistryUnavailable))]);
    bench.actions.clear();
    bench.step(Input::Released);
    let [Action::Ended(Reason::ClaimLost), Action::Claim] = bench.actions.as_slice() else {
        panic!("the waiting call requests the claim again: {:?}", bench.actions);
    };
}

#[test]
fn a_claim_that_is_lost_while_loading_is_never_live() {
    let mut bench = Bench::new();
    bench.call(1, "value");
    bench.step(Input::Claimed(Ok(Claimed::Granted)));
    bench.step(Input::Deactivate(Reason::ClaimLost));
    bench.step(Input::Loaded(Ok(Loaded { record: None, code: revision(), wanted: revision() })));
    assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::RegistryUnavailable))]);
    assert!(bench.machine.status().is_none());
}

#[test]
fn a_departing_object_turns_new_calls_away_and_serves_those_that_wait() {
    for reason in [Reason::Moved, Reason::Draining] {
        let mut bench = Bench::live(None);
        bench.call(1, "value");
        bench.call(2, "value");
        bench.step(Input::Deactivate(reason));
        bench.call(3, "value");
        assert_eq!(bench.outcomes(), [(3, Err(ErrorCode::Draining))]);
        bench.step(Input::Ran(RunOutcome::Queried { reply: Bytes::from_static(b"0") }));
        bench.step(Input::Ran(RunOutcome::Queried { reply: Bytes::from_static(b"0") }));
        assert_eq!(bench.outcomes(), [(1, Ok(0)), (2, Ok(0))]);
        assert!(matches!(bench.actions.last(), Some(Action::Release)));
        bench.step(Input::Released);
        assert!(bench.machine.is_cold());
    }
}

#[test]
fn another_owner_is_named() {
    let mut bench = Bench::new();
    bench.call(1, "value");
    bench.step(Input::Claimed(Ok(Claimed::Held(NodeId::new("n2")))));
    let (_, answer) = bench.answers.remove(0);
    let error = answer.unwrap_err();
    assert_eq!((error.code, error.owner), (ErrorCode::NotOwner, Some(NodeId::new("n2"))));
}

#[test]
fn a_full_session_holds_nothing_more() {
    let mut bench = Bench::new();
    bench.call(1, "value");
    bench.actions.clear();
    bench.step(Input::Claimed(Err(registry::Error::Full(10))));
    assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::NodeFull))]);
    assert!(matches!(bench.action(), Action::Ended(Reason::NodeFull)));
}

#[test]
fn a_write_that_is_given_up_is_unknown_and_frees_the_claim() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.call(2, "add");
    bench.updated(1);
    bench.updated(2);
    bench.step(Input::WriteFinished(PutOutcome::Unknown("cut".into())));
    bench.step(Input::Deactivate(Reason::GivenUp));
    let outcomes = [(1, Err(ErrorCode::OutcomeUnknown)), (2, Err(ErrorCode::CommitRefused))];
    assert_eq!(bench.outcomes(), outcomes);
    assert!(matches!(bench.actions.last(), Some(Action::Release)));
}

fn is_released(bench: &Bench) -> bool {
    matches!(bench.actions.last(), Some(Action::Release))
}

#[test]
fn a_read_that_does_not_end_keeps_no_claim_that_is_given_up() {
    let mut bench = Bench::new();
    bench.call(1, "value");
    bench.step(Input::Claimed(Ok(Claimed::Granted)));
    bench.step(Input::Deactivate(Reason::GivenUp));
    assert!(is_released(&bench), "{:?}", bench.actions);
    // A late answer of the store is ignored.
    bench.step(Input::Loaded(Ok(Loaded { record: None, code: revision(), wanted: revision() })));
    bench.call(2, "value");
    let refused = Err(ErrorCode::StoreUnavailable);
    assert_eq!(bench.outcomes(), [(1, refused), (2, refused)]);
    bench.step(Input::Released);
    assert!(bench.machine.is_cold());
}

#[test]
fn a_proof_that_does_not_end_keeps_no_claim_that_is_given_up() {
    let mut bench = Bench::live(None);
    let strict = Call { consistency: Consistency::Strict, ..call("value") };
    bench.step(Input::Call(strict, 1));
    bench.step(Input::Ran(RunOutcome::Queried { reply: Bytes::from_static(b"0") }));
    assert!(matches!(bench.actions.last(), Some(Action::VerifyRecord(_))));
    bench.step(Input::Deactivate(Reason::GivenUp));
    assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::StoreUnavailable))]);
    assert!(is_released(&bench), "{:?}", bench.actions);
}

#[test]
fn a_call_that_does_not_end_keeps_no_claim_that_is_given_up() {
    for reason in [Reason::GivenUp, Reason::Unwritable] {
        let mut bench = Bench::live(None);
        bench.call(1, "add");
        bench.updated(1);
        bench.call(2, "add");
        bench.step(Input::Deactivate(reason));
        let outcomes = [(2, Err(ErrorCode::StoreUnavailable)), (1, Err(ErrorCode::OutcomeUnknown))];
        assert_eq!(bench.outcomes(), outcomes, "{reason:?}");
        assert!(is_released(&bench), "{:?}", bench.actions);
        bench.step(Input::WriteFinished(PutOutcome::Applied(etag("late"))));
        bench.updated(2);
        bench.step(Input::Released);
        assert_eq!(bench.outcomes(), [], "{reason:?}");
        assert!(bench.machine.is_cold());
    }
}

#[test]
fn calls_that_wait_are_sent_elsewhere_if_the_store_is_silent_and_stay_if_it_takes_no_writes() {
    for (reason, outcomes, is_cold) in [
        (
            Reason::GivenUp,
            vec![(2, Err(ErrorCode::StoreUnavailable)), (1, Err(ErrorCode::StoreUnavailable))],
            true,
        ),
        (Reason::Unwritable, vec![(1, Err(ErrorCode::StoreUnavailable))], false),
    ] {
        let mut bench = Bench::live(None);
        bench.call(1, "value");
        bench.call(2, "value");
        bench.step(Input::Deactivate(reason));
        assert_eq!(bench.outcomes(), outcomes, "{reason:?}");
        bench.step(Input::Released);
        assert_eq!(bench.machine.is_cold(), is_cold, "{reason:?}");
    }
}

#[test]
fn a_store_that_takes_no_writes_does_not_end_what_is_being_read() {
    let mut bench = Bench::new();
    bench.call(1, "value");
    bench.step(Input::Claimed(Ok(Claimed::Granted)));
    bench.step(Input::Deactivate(Reason::Unwritable));
    bench.step(Input::Loaded(Ok(Loaded { record: None, code: revision(), wanted: revision() })));
    bench.step(Input::Ran(RunOutcome::Queried { reply: Bytes::from_static(b"0") }));
    assert_eq!(bench.outcomes(), [(1, Ok(0))]);
}

#[test]
fn a_write_that_outlasts_the_claim_is_not_waited_for_without_the_store() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated(1);
    bench.step(Input::Deactivate(Reason::ClaimLost));
    assert_eq!(bench.outcomes(), [], "the write in progress is awaited");
    bench.step(Input::Deactivate(Reason::GivenUp));
    assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::OutcomeUnknown))]);
    assert!(is_released(&bench), "{:?}", bench.actions);
}
