//! Strict answers wait for the read barrier.

use super::*;

fn strict(handler: &str) -> Call {
    Call { consistency: Consistency::Strict, ..call(handler) }
}

fn queried(bench: &mut Bench) {
    bench.step(Input::Ran(RunOutcome::Queried { reply: Bytes::from_static(b"0") }));
}

#[test]
fn a_strict_query_is_answered_when_the_store_still_holds_what_is_known() {
    let mut bench = Bench::live(Some((foreign(3, &[(3, 99)]), etag("e3"))));
    bench.step(Input::Call(strict("value"), 1));
    bench.actions.clear();
    queried(&mut bench);
    assert!(matches!(bench.action(), Action::VerifyRecord(Duration::ZERO)));
    assert_eq!(bench.outcomes(), []);
    let found = ReloadOutcome::Found(Some((foreign(3, &[(3, 99)]), etag("e3"))));
    bench.step(Input::RecordVerified(found));
    assert_eq!(bench.outcomes(), [(1, Ok(3))]);
}

#[test]
fn a_strict_query_at_an_owner_that_was_overtaken_is_not_answered() {
    let mut bench = Bench::live(Some((foreign(3, &[(3, 99)]), etag("e3"))));
    bench.step(Input::Call(strict("value"), 1));
    queried(&mut bench);
    let found = ReloadOutcome::Found(Some((foreign(4, &[(3, 99), (4, 98)]), etag("e4"))));
    bench.step(Input::RecordVerified(found));
    assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::CommitRefused))]);
    assert_eq!(bench.machine.status().map(|live| live.version), Some(4), "it reads again");
}

#[test]
fn one_proof_serves_those_who_asked_before_it_began_and_nobody_else() {
    let mut bench = Bench::live(None);
    bench.step(Input::Call(strict("value"), 1));
    queried(&mut bench);
    bench.step(Input::Call(strict("value"), 2));
    bench.actions.clear();
    queried(&mut bench);
    assert!(bench.actions.is_empty(), "one at a time");
    bench.step(Input::RecordVerified(ReloadOutcome::Found(None)));
    assert_eq!(bench.outcomes(), [(1, Ok(0))]);
    assert!(matches!(bench.action(), Action::VerifyRecord(_)));
    bench.step(Input::RecordVerified(ReloadOutcome::Found(None)));
    assert_eq!(bench.outcomes(), [(2, Ok(0))]);
}

#[test]
fn a_write_that_began_later_is_proof_enough() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated(1);
    bench.step(Input::Call(strict("value"), 2));
    bench.actions.clear();
    queried(&mut bench);
    bench.call(3, "add");
    bench.updated(2);
    bench.actions.clear();
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e1"))));
    assert_eq!(
        bench.outcomes(),
        [(1, Ok(1))],
        "the first write started before the read was requested"
    );
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e2"))));
    let mut outcomes = bench.outcomes();
    outcomes.sort_by_key(|(caller, _)| *caller);
    assert_eq!(outcomes, [(2, Ok(1)), (3, Ok(2))]);
}

#[test]
fn while_the_store_does_not_answer_strict_queries_wait_for_their_time() {
    let mut bench = Bench::live(None);
    bench.step(Input::Call(strict("value"), 1));
    queried(&mut bench);
    bench.actions.clear();
    let failed = || ReloadOutcome::Failed(crate::store::Error::Unavailable("cut".into()));
    bench.step(Input::RecordVerified(failed()));
    let Action::VerifyRecord(pause) = bench.action() else { panic!("it reads again") };
    assert!(!pause.is_zero());
    bench.time_ms = 1000;
    bench.step(Input::Wake);
    assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::DeadlineExceeded))]);
}
