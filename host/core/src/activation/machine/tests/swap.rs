//! Upgrades of a live object, and quarantine after repeated failures.

use super::*;
use crate::activation::protocol::ProbeOutcome;
use crate::engine::RestoreError;
use crate::id::CodeId;

fn code(number: u32) -> CodeId {
    CodeId { revision: number, component: Digest::of(&number.to_be_bytes()) }
}

fn record(version: Version) -> Record {
    foreign(version, &[(version, 99)])
}

/// Returns a live object with revision 1, for which revision `number` is wanted.
fn wanting(number: u32) -> Bench {
    let mut bench = Bench::live(Some((record(1), etag("1"))));
    bench.step(Input::RevisionWanted(code(number)));
    bench
}

fn faulted() -> Input<u32> {
    Input::Ran(RunOutcome::Faulted(Fault::Stack))
}

fn queried() -> Input<u32> {
    Input::Ran(RunOutcome::Queried { reply: Bytes::from_static(b"0") })
}

impl Bench {
    /// Returns the revision with which the latest call runs.
    #[track_caller]
    fn runs_with(&mut self) -> u32 {
        let runs: Vec<_> = self
            .actions
            .extract_if(.., |action| matches!(action, Action::Run(_)))
            .map(|action| match action {
                Action::Run(run) => run.code.revision,
                _ => 0,
            })
            .collect();
        assert_eq!(runs.len(), 1, "{:?}", self.actions);
        runs[0]
    }

    fn took_well(&mut self) -> bool {
        self.actions.extract_if(.., |action| matches!(action, Action::RevisionAccepted(_))).count()
            > 0
    }

    fn pinned(&mut self) -> Option<String> {
        let mut held = self.actions.extract_if(.., |a| matches!(a, Action::RevisionPinned(..)));
        held.next().map(|action| match action {
            Action::RevisionPinned(_, why) => why,
            _ => String::new(),
        })
    }
}

#[test]
fn a_live_object_changes_over_between_two_calls() {
    let mut bench = wanting(2);
    assert!(bench.actions.is_empty(), "nothing is torn down: {:?}", bench.actions);
    bench.call(1, "add");
    assert_eq!(bench.runs_with(), 2);
    bench.updated(7);
    assert!(bench.took_well());
    let written = bench.written();
    assert_eq!((written.version, written.revision, written.component), (2, 2, code(2).component));
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("2"))));
    let (_, answer) = bench.answers.remove(0);
    assert_eq!(answer.map(|done| done.revision), Ok(2));
}

#[test]
fn code_that_is_wanted_while_the_object_is_loaded_is_not_missed() {
    let mut bench = Bench::new();
    bench.call(1, "value");
    bench.step(Input::Claimed(Ok(Claimed::Granted)));
    bench.step(Input::RevisionWanted(code(2)));
    bench.actions.clear();
    bench.step(Input::Loaded(Ok(Loaded { record: None, code: code(1), wanted: code(1) })));
    assert_eq!(bench.runs_with(), 2);
}

#[test]
fn the_same_component_under_another_number_needs_no_try() {
    let mut bench = Bench::live(Some((record(1), etag("1"))));
    bench.step(Input::RevisionWanted(CodeId { revision: 5, ..revision() }));
    assert_eq!(bench.machine.status().unwrap().revision, 5);
}

#[test]
fn where_new_code_fails_the_same_call_runs_with_the_old_and_the_object_stays_on_it() {
    let unreadable = RestoreError::InvalidSnapshot("no such field".to_owned());
    for failure in [RunOutcome::Faulted(Fault::Stack), RunOutcome::Unreadable(unreadable)] {
        let mut bench = wanting(2);
        bench.call(1, "add");
        assert_eq!(bench.runs_with(), 2);
        bench.step(Input::Ran(failure));
        assert!(bench.answers.is_empty(), "the call is not over");
        assert_eq!(bench.runs_with(), 1);
        bench.updated(7);
        assert!(bench.pinned().is_some());
        bench.actions.retain(|action| matches!(action, Action::Write(..)));
        assert_eq!(bench.written().revision, 1);
        bench.step(Input::WriteFinished(PutOutcome::Applied(etag("2"))));
        assert_eq!(bench.outcomes(), [(1, Ok(2))]);
        bench.actions.clear();
        // The revision is not tried again at each call, nor when it is announced again.
        bench.step(Input::RevisionWanted(code(2)));
        bench.call(2, "value");
        assert_eq!(bench.runs_with(), 1);
        bench.step(queried());
        bench.step(Input::RevisionWanted(code(3)));
        bench.call(3, "value");
        assert_eq!(bench.runs_with(), 3, "another revision is attempted");
    }
}

#[test]
fn a_call_that_fails_with_both_says_nothing_of_the_new_code() {
    let mut bench = wanting(2);
    bench.call(1, "add");
    bench.step(faulted());
    bench.step(faulted());
    assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::StackExceeded))]);
    assert_eq!(bench.pinned(), None);
    bench.actions.clear();
    bench.call(2, "value");
    assert_eq!(bench.runs_with(), 2, "it is attempted again");
    bench.step(queried());
    assert!(bench.took_well());
}

#[test]
fn a_deadline_or_a_full_node_says_nothing_of_the_new_code() {
    for nothing in [RunOutcome::TimedOut, RunOutcome::Faulted(Fault::Exhausted("full".to_owned()))]
    {
        let mut bench = wanting(2);
        bench.call(1, "add");
        bench.step(Input::Ran(nothing));
        assert_eq!(bench.outcomes().len(), 1);
        bench.actions.clear();
        bench.call(2, "value");
        assert_eq!(bench.runs_with(), 2);
    }
}

#[test]
fn a_node_without_memory_answers_for_itself() {
    let faults = [
        RunOutcome::Faulted(Fault::NodeMemoryFull(1000)),
        RunOutcome::Unreadable(RestoreError::Fault(Fault::NodeMemoryFull(1000))),
    ];
    let mut bench = wanting(2);
    for fault in faults.into_iter().cycle().take(10) {
        bench.actions.clear();
        bench.call(1, "add");
        assert_eq!(bench.runs_with(), 2, "it is neither quarantined nor given its old code");
        bench.step(Input::Ran(fault));
        let (_, answer) = bench.answers.remove(0);
        let error = answer.unwrap_err();
        assert_eq!((error.code, error.effect()), (ErrorCode::NodeMemoryFull, Effect::None));
        assert_eq!(error.retry_after, Some(Duration::from_secs(1)));
        assert!(error.message.contains("1000 bytes"), "{}", error.message);
    }
    assert_eq!(bench.pinned(), None);
}

#[test]
fn old_code_that_is_gone_gives_the_answer_of_the_new() {
    let mut bench = wanting(2);
    bench.call(1, "add");
    bench.step(faulted());
    let gone = Error::new(ErrorCode::RevisionNotFound, "it is gone");
    bench.step(Input::Ran(RunOutcome::NoCode(gone)));
    assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::StackExceeded))]);
}

#[test]
fn an_idle_object_tries_new_code_without_a_call() {
    let mut bench = wanting(2);
    bench.step(Input::Probe);
    assert!(matches!(bench.action(), Action::Probe(probe) if probe.code == code(2)));
    bench.call(1, "value");
    assert!(bench.actions.is_empty(), "the call waits until it is known");
    bench.step(Input::Probed(code(2), ProbeOutcome::Reads { is_kept: true }));
    assert!(bench.took_well());
    let Action::Run(run) = bench.action() else { panic!("no run") };
    assert_eq!((run.code, run.is_in_sync), (code(2), true));
    bench.step(queried());
    bench.step(Input::Probe);
    assert!(!bench.actions.iter().any(|a| matches!(a, Action::Probe(_))), "it is settled");
}

#[test]
fn an_idle_object_whose_state_new_code_does_not_read_never_runs_it() {
    let mut bench = wanting(2);
    bench.step(Input::Probe);
    bench.actions.clear();
    let failed = ProbeOutcome::Failed(RunOutcome::Unreadable(RestoreError::NewerSchema(1)));
    bench.step(Input::Probed(code(2), failed));
    assert!(bench.pinned().is_some_and(|why| why.contains("newer schema")));
    bench.call(1, "value");
    assert_eq!(bench.runs_with(), 1);
}

#[test]
fn an_object_that_fails_again_and_again_is_not_run_for_a_while() {
    let mut bench = Bench::live(Some((record(1), etag("1"))));
    for caller in 1..=3 {
        bench.call(caller, "add");
        bench.step(faulted());
    }
    assert_eq!(
        bench.outcomes().len(),
        2,
        "the third reply waits for the data that the next owner needs"
    );
    bench.actions.retain(|action| matches!(action, Action::Write(..)));
    let written = bench.written();
    assert_eq!((written.version, written.faults, written.state), (2, 3, record(1).state));
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("2"))));
    bench.actions.clear();
    bench.answers.clear();
    bench.call(4, "value");
    assert_eq!(bench.outcomes(), [(4, Err(ErrorCode::ObjectQuarantined))]);
    assert!(bench.actions.is_empty(), "its code is not run");

    bench.time_ms += 10_000;
    bench.step(Input::Call(later("value"), 5));
    bench.step(faulted());
    bench.actions.retain(|action| matches!(action, Action::Write(..)));
    assert_eq!(bench.written().faults, 4);
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("3"))));
    bench.actions.clear();
    bench.time_ms += 10_000;
    bench.answers.clear();
    bench.step(Input::Call(later("value"), 6));
    assert_eq!(bench.outcomes(), [(6, Err(ErrorCode::ObjectQuarantined))], "the pause doubles");

    bench.time_ms += 10_000;
    bench.step(Input::Call(later("value"), 7));
    bench.step(queried());
    bench.actions.retain(|action| matches!(action, Action::Write(..)));
    assert_eq!(
        bench.written().faults,
        0,
        "a call that does not fail ends it, for the next owner too"
    );
}

fn later(handler: &str) -> Call {
    Call { deadline: BootTime::from_boot(Duration::from_secs(1000)), ..call(handler) }
}

#[test]
fn a_quarantine_is_found_by_the_next_owner_and_ended_by_an_operator_or_new_code() {
    let bad = || Some((Record { faults: 3, ..record(1) }, etag("1")));
    let found = |wanted| {
        let mut bench = Bench::new();
        bench.call(1, "value");
        bench.step(Input::Claimed(Ok(Claimed::Granted)));
        bench.actions.clear();
        bench.step(Input::Loaded(Ok(Loaded { record: bad(), code: revision(), wanted })));
        bench
    };
    let mut bench = found(revision());
    assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::ObjectQuarantined))]);
    bench.step(Input::Call(Call { operation: Operation::Resume, ..call("") }, 2));
    assert_eq!(bench.written().faults, 0);
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("2"))));
    assert_eq!(bench.outcomes(), [(2, Ok(2))]);
    bench.actions.clear();
    bench.call(3, "value");
    assert_eq!(bench.runs_with(), 1);

    assert_eq!(found(code(2)).runs_with(), 2, "new code is attempted");
}
