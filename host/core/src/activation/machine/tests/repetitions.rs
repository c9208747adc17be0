//! Retries of a call whose change is not committed yet have the same outcome as that change (S6, S7). No retry runs.

use super::*;

/// Returns a machine with a keyed change whose write is in progress, and a retry with a separate deadline.
fn repeated(deadline_ms: u64) -> Bench {
    let mut bench = Bench::live(None);
    bench.step(Input::Call(keyed(1), 1));
    bench.updated(1);
    bench.actions.clear();
    let deadline = BootTime::from_boot(Duration::from_millis(deadline_ms));
    bench.step(Input::Call(Call { deadline, ..keyed(1) }, 2));
    assert!(bench.actions.is_empty(), "it does not run: {:?}", bench.actions);
    assert_eq!(bench.outcomes(), []);
    bench
}

#[test]
fn a_repetition_whose_time_is_up_is_unknown_as_its_change_is() {
    let mut bench = repeated(500);
    bench.time_ms = 500;
    bench.step(Input::Wake);
    assert_eq!(bench.outcomes(), [(2, Err(ErrorCode::OutcomeUnknown))]);
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e"))));
    assert_eq!(bench.outcomes(), [(1, Ok(1))]);
}

#[test]
fn a_repetition_is_not_executed_only_if_its_change_will_never_be() {
    let mut bench = repeated(1000);
    bench.step(Input::WriteFinished(PutOutcome::Rejected("no".into())));
    let refused = Err(ErrorCode::StoreUnavailable);
    assert_eq!(bench.outcomes(), [(1, refused), (2, refused)]);
}

#[test]
fn a_repetition_is_done_where_its_change_was_committed_and_another_owner_went_on() {
    let mut bench = repeated(1000);
    let live = bench.machine.activation.live.as_ref().unwrap();
    let own = live.commit.in_flight().expect("the write is in progress");
    bench.step(Input::WriteFinished(PutOutcome::PreconditionFailed));
    let next = Write { version: 2, id: write_id(99) };
    let record = Record { recent: RecentWrites::new(vec![own, next]), ..foreign(2, &[]) };
    bench.step(Input::Reread(ReloadOutcome::Found(Some((record, etag("e2"))))));
    assert_eq!(bench.outcomes(), [(1, Ok(1)), (2, Ok(1))]);
}

#[test]
fn past_the_lease_a_repetition_waits_as_its_change_does() {
    let mut bench = repeated(1000);
    bench.lease_ms = 100;
    bench.time_ms = 100;
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e"))));
    assert_eq!(bench.outcomes(), [], "the owner of the object is not known yet");
    bench.step(Input::Deactivate(Reason::SessionOver));
    let unknown = Err(ErrorCode::OutcomeUnknown);
    assert_eq!(bench.outcomes(), [(1, unknown), (2, unknown)]);
}

#[test]
fn a_strict_repetition_of_what_was_committed_is_done_though_the_owner_was_overtaken() {
    let mut bench = Bench::live(None);
    bench.step(Input::Call(keyed(1), 1));
    bench.updated(1);
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e1"))));
    assert_eq!(bench.outcomes(), [(1, Ok(1))]);
    bench.actions.clear();
    bench.step(Input::Call(Call { consistency: Consistency::Strict, ..keyed(1) }, 2));
    assert!(matches!(bench.action(), Action::VerifyRecord(_)));
    bench.step(Input::RecordVerified(ReloadOutcome::Found(Some((
        foreign(2, &[(2, 98)]),
        etag("e2"),
    )))));
    assert_eq!(bench.outcomes(), [(2, Ok(1))]);
}
