//! Outbound calls of a running call: when they may leave, and which calls are rejected to break a deadlock. The
//! growth of a chain is tested in `call_context/chain.rs`.

use std::sync::Arc;

use super::*;
use crate::call_context::chain::{Chain, ChainAge};
use crate::limits::{LOOK_AFTER, LOOK_PAUSE_MAX};

fn age(began_ms: u64) -> ChainAge {
    ChainAge { began_ms, nonce: 0 }
}

fn depart(began_ms: u64, to: &str) -> Input<u32> {
    Input::OutboundStarted(age(began_ms), object(to), 9)
}

fn chained(handler: &str, began_ms: u64) -> Call {
    chained_behind("z", handler, began_ms)
}

/// Returns a call of a chain that holds the object `waiting`.
fn chained_behind(waiting: &str, handler: &str, began_ms: u64) -> Call {
    let chain = Chain::begin(object(waiting), age(began_ms));
    Call { origin: Origin { chain: Some(Arc::new(chain)), ..Origin::default() }, ..call(handler) }
}

#[test]
fn a_call_leaves_at_once_where_all_is_committed() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.step(depart(1, "m"));
    assert_eq!(bench.outcomes(), [(9, Ok(0))]);
}

#[test]
fn a_call_leaves_only_after_the_commit_of_what_it_saw() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.actions.clear();
    bench.updated(1);
    bench.written();
    bench.call(2, "add");
    bench.step(depart(1, "m"));
    assert_eq!(bench.outcomes(), []);
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("1"))));
    assert_eq!(bench.outcomes(), [(1, Ok(1)), (9, Ok(1))]);
}

#[test]
fn a_call_does_not_leave_after_a_commit_that_failed() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated(1);
    bench.call(2, "add");
    bench.step(depart(1, "m"));
    bench.step(Input::WriteFinished(PutOutcome::Rejected("no".to_owned())));
    let refused = Err(ErrorCode::StoreUnavailable);
    assert_eq!(bench.outcomes(), [(1, refused), (9, refused)]);
}

#[test]
fn a_call_does_not_leave_past_the_lease() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.lease_ms = 5;
    bench.time_ms = 5;
    bench.step(depart(1, "m"));
    assert_eq!(bench.outcomes(), [(9, Err(ErrorCode::RegistryUnavailable))]);
}

fn object(key: &str) -> ObjectId {
    ObjectId::new("counter", key).unwrap()
}

/// Returns the departure and the object that the machine asks to follow.
#[track_caller]
fn followed(bench: &mut Bench) -> (u32, ObjectId) {
    match bench.actions.pop() {
        Some(Action::FindWaitPath(departure, callee)) => (departure, callee),
        other => panic!("nothing to follow: {other:?}"),
    }
}

#[test]
fn a_younger_chain_that_is_waited_for_is_refused_and_nobody_else() {
    let mut bench = Bench::live(None);
    bench.settings.mailbox_len = 9;
    bench.call(1, "add");
    bench.step(depart(20, "m"));
    assert_eq!(bench.machine.activation.waits_for(), Some(&object("m")));
    for (caller, began_ms) in [(2, 30), (3, 19)] {
        bench.step(Input::Call(chained("add", began_ms), caller));
    }
    bench.step(Input::Call(chained_behind("y", "add", 31), 4));
    bench.call(5, "add");
    bench.actions.clear();
    bench.wake_at(20);
    let (departure, callee) = followed(&mut bench);
    assert_eq!(callee, object("m"));
    bench.answers.clear();
    bench.step(Input::WaitPathFound(
        departure,
        vec![object("m"), object("n"), object("z"), object("o")],
    ));
    let [(2, Err(refused))] = bench.answers.as_slice() else { panic!("{:?}", bench.answers) };
    assert_eq!(refused.code, ErrorCode::CallConflict);
    let circle = "counter/a -> counter/m -> counter/n -> counter/z -> counter/a";
    assert!(refused.message.ends_with(circle), "{}", refused.message);
    bench.answers.clear();
    bench.time_ms = 999;
    bench.step(Input::Wake);
    assert_eq!(bench.outcomes(), [], "older chains, those in no circle and clients wait");
}

#[test]
fn it_is_looked_for_circles_only_where_there_can_be_one_and_less_and_less() {
    let wait = |from_ms: u64, after: Duration| from_ms + u64::try_from(after.as_millis()).unwrap();
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.step(depart(20, "m"));
    bench.step(Input::Call(chained("add", 19), 2));
    let expiry = bench.machine.next_wake(&bench.settings);
    assert_eq!(
        expiry,
        Some(BootTime::from_boot(Duration::from_millis(1000))),
        "no other chain is younger"
    );
    bench.time_ms = 100;
    bench.step(Input::Call(chained("add", 30), 3));
    bench.actions.clear();
    let mut due = wait(100, LOOK_AFTER);
    for pause in [40, 80, 160, 320, 320] {
        bench.wake_at(due);
        let _ = followed(&mut bench);
        assert!(pause <= LOOK_PAUSE_MAX.as_millis());
        due = (due + u64::try_from(pause).unwrap()).min(1000);
    }
}

#[test]
fn what_was_found_for_another_departure_is_out_of_date() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.step(depart(20, "m"));
    bench.step(Input::Call(chained("add", 30), 2));
    bench.step(Input::OutboundFinished);
    assert_eq!(bench.machine.activation.waits_for(), None);
    bench.step(Input::WaitPathFound(1, vec![object("m"), object("z")]));
    bench.step(depart(20, "m"));
    bench.step(Input::WaitPathFound(1, vec![object("m"), object("z")]));
    bench.step(Input::WaitPathFound(2, vec![object("o"), object("z")]));
    bench.answers.clear();
    bench.step(Input::WaitPathFound(2, vec![object("m"), object("z")]));
    assert_eq!(bench.outcomes(), [(2, Err(ErrorCode::CallConflict))]);
}

#[test]
fn a_chain_keeps_its_age_from_object_to_object() {
    let mut bench = Bench::live(None);
    bench.step(Input::Call(chained("add", 10), 1));
    bench.step(depart(99, "m"));
    bench.step(Input::Call(chained_behind("m", "add", 20), 2));
    bench.step(Input::WaitPathFound(1, vec![object("m")]));
    assert_eq!(bench.outcomes(), [(9, Ok(0)), (2, Err(ErrorCode::CallConflict))]);
}

#[test]
fn a_call_that_has_called_others_is_not_tried_again_with_the_old_code() {
    let mut bench = Bench::live(None);
    let newer = CodeId { revision: 2, component: Digest::of(b"newer") };
    bench.step(Input::RevisionWanted(newer));
    bench.call(1, "add");
    bench.step(depart(1, "m"));
    bench.step(Input::OutboundFinished);
    bench.actions.clear();
    bench.step(Input::Ran(RunOutcome::Faulted(Fault::Stack)));
    assert_eq!(bench.outcomes(), [(9, Ok(0)), (1, Err(ErrorCode::StackExceeded))]);
    assert!(matches!(bench.action(), Action::DropInstance));
}
