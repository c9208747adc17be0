//! Calls that leave the object while one of its own runs: when they may, and who may wait for it meanwhile.
//! How a chain grows is tested in `origin/chain.rs`.

use std::sync::Arc;

use super::*;
use crate::limits::CONFLICT_WAIT;
use crate::origin::chain::{Age, Chain};

fn age(began_ms: u64) -> Age {
    Age { began_ms, mark: 0 }
}

fn chained(handler: &str, began_ms: u64) -> Call {
    let chain = Chain::begin(ObjectId::new("counter", "z").unwrap(), age(began_ms));
    Call { origin: Origin { chain: Some(Arc::new(chain)), ..Origin::default() }, ..call(handler) }
}

#[test]
fn a_call_leaves_at_once_where_all_is_committed() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.step(Event::Departing(age(1), 9));
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
    bench.step(Event::Departing(age(1), 9));
    assert_eq!(bench.outcomes(), []);
    bench.step(Event::Stored(Put::Applied(etag("1"))));
    assert_eq!(bench.outcomes(), [(1, Ok(1)), (9, Ok(1))]);
}

#[test]
fn a_call_does_not_leave_after_a_commit_that_failed() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated(1);
    bench.call(2, "add");
    bench.step(Event::Departing(age(1), 9));
    bench.step(Event::Stored(Put::Denied("no".to_owned())));
    let refused = Err(Code::StoreUnavailable);
    assert_eq!(bench.outcomes(), [(1, refused), (9, refused)]);
}

#[test]
fn a_call_does_not_leave_past_the_lease() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.lease_ms = 5;
    bench.time_ms = 5;
    bench.step(Event::Departing(age(1), 9));
    assert_eq!(bench.outcomes(), [(9, Err(Code::RegistryUnavailable))]);
}

#[test]
fn younger_chains_do_not_wait_for_long_for_an_object_that_waits() {
    let conflict = Err(Code::CallConflict);
    let wait = u64::try_from(CONFLICT_WAIT.as_millis()).unwrap();
    let mut bench = Bench::live(None);
    bench.settings.mailbox_len = 4;
    bench.call(1, "add");
    bench.step(Event::Call(chained("add", 30), 2));
    bench.time_ms = 10;
    bench.step(Event::Departing(age(20), 9));
    bench.time_ms = 20;
    bench.step(Event::Call(chained("add", 21), 3));
    bench.step(Event::Call(chained("add", 19), 4));
    bench.call(5, "add");
    assert_eq!(bench.outcomes(), [(9, Ok(0))]);
    bench.wake_at(10 + wait);
    assert_eq!(bench.outcomes(), [(2, conflict)], "who waited before, from when the object waits");
    bench.wake_at(20 + wait);
    assert_eq!(bench.outcomes(), [(3, conflict)], "who came later, from then");
    bench.time_ms = 999;
    bench.step(Event::Wake);
    assert_eq!(bench.outcomes(), [], "older chains and clients wait");
}

#[test]
fn an_object_that_goes_on_is_waited_for() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.step(Event::Departing(age(20), 9));
    bench.step(Event::Call(chained("add", 30), 2));
    let wait = u64::try_from(CONFLICT_WAIT.as_millis()).unwrap();
    for round in 0..3 {
        bench.step(Event::Returned);
        bench.time_ms = (round + 1) * (wait - 1);
        bench.step(Event::Departing(age(20), 9));
        bench.step(Event::Wake);
        assert_eq!(bench.outcomes().last(), Some(&(9, Ok(0))), "no call of it took too long");
    }
    bench.step(Event::Returned);
    bench.time_ms = 999;
    bench.step(Event::Wake);
    assert_eq!(bench.outcomes(), []);
}

#[test]
fn a_chain_keeps_its_age_from_object_to_object() {
    let mut bench = Bench::live(None);
    bench.step(Event::Call(chained("add", 10), 1));
    bench.step(Event::Departing(age(99), 9));
    bench.step(Event::Call(chained("add", 20), 2));
    bench.wake_at(u64::try_from(CONFLICT_WAIT.as_millis()).unwrap());
    assert_eq!(bench.outcomes(), [(9, Ok(0)), (2, Err(Code::CallConflict))]);
}

#[test]
fn a_call_that_has_called_others_is_not_tried_again_with_the_old_code() {
    let mut bench = Bench::live(None);
    let newer = CodeId { revision: 2, component: Digest::of(b"newer") };
    bench.step(Event::Wanted(newer));
    bench.call(1, "add");
    bench.step(Event::Departing(age(1), 9));
    bench.step(Event::Returned);
    bench.actions.clear();
    bench.step(Event::Ran(Ran::Faulted(Fault::Stack)));
    assert_eq!(bench.outcomes(), [(9, Ok(0)), (1, Err(Code::StackExceeded))]);
    assert!(matches!(bench.action(), Action::DropInstance));
}
