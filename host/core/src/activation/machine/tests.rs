//! Decisions of the machine, one situation per test.

mod circles;
mod depart;
mod lease;
mod outbox;
mod repetitions;
mod strict;
mod swap;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::commit::resolution::{Resolution, resolve};
use super::*;
use crate::activation::protocol::{LoadFailure, Loaded, ReloadOutcome, RunOutcome};
use crate::activation::{
    Answer, Call, Consistency, IdempotencyKey, Operation, Precondition, Reason,
};
use crate::call_context::Origin;
use crate::caller::Caller;
use crate::engine::{Fault, HandlerError};
use crate::error::{Effect, Error, ErrorCode};
use crate::id::{CodeId, Digest, NodeId};
use crate::registry::Claimed;
use crate::store::record::{JSON, RecentWrites, Record, State, Write, WriteId};
use crate::store::{Condition, ETag, PutOutcome};

fn id() -> ObjectId {
    ObjectId::new("counter", "a").unwrap()
}

fn state(n: u64) -> State {
    let bytes = Bytes::from(format!("{{\"value\":{n}}}"));
    State { content_type: JSON.into(), schema_version: 1, bytes }
}

fn etag(text: &str) -> ETag {
    ETag::new(text)
}

fn write_id(n: u64) -> WriteId {
    WriteId(u128::from(n).to_be_bytes())
}

/// Machine with a simulated clock that collects its actions.
struct Bench {
    machine: Machine<u32>,
    settings: Settings,
    time_ms: u64,
    lease_ms: u64,
    is_watched: bool,
    steps: u64,
    actions: Vec<Action<u32>>,
    answers: Vec<(u32, Answer)>,
}

impl Bench {
    fn new() -> Self {
        Self::of(id())
    }

    fn of(id: ObjectId) -> Self {
        Self {
            machine: Machine::new(id),
            settings: Settings {
                node: NodeId::new("n1"),
                mailbox_len: 2,
                fault_max: 3,
                shows_traps: false,
            },
            time_ms: 0,
            lease_ms: u64::MAX,
            is_watched: false,
            steps: 0,
            actions: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Returns a machine that has claimed the object and loaded this record.
    fn live(record: Option<(Record, ETag)>) -> Self {
        let mut bench = Self::new();
        bench.activate(record);
        bench
    }

    fn activate(&mut self, record: Option<(Record, ETag)>) {
        self.call(0, "value");
        self.step(Input::Claimed(Ok(Claimed::Granted)));
        self.step(Input::Loaded(Ok(Loaded { record, code: revision(), wanted: revision() })));
        self.step(Input::Ran(RunOutcome::Queried { reply: Bytes::from_static(b"0") }));
        self.actions.clear();
        self.answers.clear();
    }

    fn step(&mut self, event: Input<u32>) {
        let at = |ms| BootTime::from_boot(Duration::from_millis(ms));
        self.steps += 1;
        let now = Now {
            time: at(self.time_ms),
            lease_until: at(self.lease_ms),
            write_id: write_id(self.steps),
            wall_ms: self.time_ms,
            is_watched: self.is_watched,
            settings: &self.settings,
        };
        let mut actions = Vec::new();
        self.machine.step(event, now, &mut actions);
        for action in actions {
            match action {
                Action::Answer(caller, answer) => self.answers.push((caller, answer)),
                action => self.actions.push(action),
            }
        }
    }

    fn call(&mut self, caller: u32, handler: &str) {
        self.step(Input::Call(call(handler), caller));
    }

    /// Advances the clock to the time at which the machine requested to wake.
    fn wake_at(&mut self, time_ms: u64) {
        let due = self.machine.next_wake(&self.settings);
        assert_eq!(due, Some(BootTime::from_boot(Duration::from_millis(time_ms))));
        self.time_ms = time_ms;
        self.step(Input::Wake);
    }

    fn updated(&mut self, n: u64) {
        self.step(Input::Ran(RunOutcome::Updated {
            reply: n.to_string().into(),
            state: state(n),
            effects: None,
        }));
    }

    /// Returns the only action since the last check, ignoring answers.
    #[track_caller]
    fn action(&mut self) -> Action<u32> {
        assert_eq!(self.actions.len(), 1, "{:?}", self.actions);
        self.actions.remove(0)
    }

    #[track_caller]
    fn written(&mut self) -> Record {
        match self.action() {
            Action::Write(record, _, _) => *record,
            other => panic!("no write: {other:?}"),
        }
    }

    /// Returns the outcomes since the last check: the version, or the error's code.
    fn outcomes(&mut self) -> Vec<(u32, Result<Version, ErrorCode>)> {
        let outcome = |answer: Answer| answer.map(|done| done.version).map_err(|e| e.code);
        self.answers.drain(..).map(|(caller, answer)| (caller, outcome(answer))).collect()
    }
}

fn revision() -> CodeId {
    CodeId { revision: 1, component: Digest::of(b"counter") }
}

fn call(handler: &str) -> Call {
    Call {
        operation: Operation::Handle { handler: handler.into(), argument: Bytes::new() },
        caller: Caller::Anonymous,
        origin: Origin::default(),
        precondition: Precondition::None,
        key: None,
        consistency: Consistency::Lease,
        deadline: BootTime::from_boot(Duration::from_millis(1000)),
    }
}

fn keyed(fingerprint: u8) -> Call {
    let key = IdempotencyKey { key: "k".into(), fingerprint: [fingerprint; 8] };
    Call { key: Some(key), ..call("add") }
}

/// Returns a record at `version`, written by another owner.
fn foreign(version: Version, writes: &[(Version, u64)]) -> Record {
    let recent = writes.iter().map(|&(version, id)| Write { version, id: write_id(id) }).collect();
    Record {
        id: id(),
        version,
        epoch: 7,
        owner: NodeId::new("n2"),
        recent: RecentWrites::new(recent),
        revision: 1,
        component: revision().component,
        time_ms: 0,
        answered: Arc::from([]),
        faults: 0,
        effects: None,
        state: Some(state(version)),
    }
}

#[test]
fn many_first_calls_make_one_activation() {
    let mut bench = Bench::new();
    bench.call(1, "add");
    assert!(matches!(bench.action(), Action::Claim));
    bench.call(2, "add");
    bench.step(Input::Claimed(Ok(Claimed::Granted)));
    assert!(matches!(bench.action(), Action::Load));
    bench.call(3, "add");
    bench.step(Input::Loaded(Ok(Loaded { record: None, code: revision(), wanted: revision() })));
    assert!(matches!(bench.action(), Action::Run(_)), "one call at a time");
    assert_eq!(bench.outcomes(), []);
}

#[test]
fn nothing_is_answered_before_its_commit() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.actions.clear();
    bench.updated(1);
    let record = bench.written();
    assert_eq!((record.version, record.epoch), (1, 1));
    bench.call(2, "value");
    bench.step(Input::Ran(RunOutcome::Queried { reply: Bytes::from_static(b"1") }));
    bench.call(3, "fail");
    bench.step(Input::Ran(RunOutcome::Faulted(Fault::Stack)));
    assert_eq!(bench.outcomes(), [], "not even an error that observed the change");
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e1"))));
    assert_eq!(bench.outcomes(), [(1, Ok(1)), (2, Ok(1)), (3, Err(ErrorCode::StackExceeded))]);
}

#[test]
fn updates_during_a_write_share_the_next_one() {
    let mut bench = Bench::live(None);
    for n in 1..=5 {
        bench.call(n, "add");
        bench.updated(n.into());
    }
    let writes = bench.actions.iter().filter(|a| matches!(a, Action::Write(..))).count();
    assert_eq!(writes, 1);
    bench.actions.clear();
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e1"))));
    assert_eq!(bench.outcomes(), [(1, Ok(1))]);
    bench.actions.retain(|action| matches!(action, Action::Write(..)));
    let record = bench.written();
    assert_eq!((record.version, record.recent.as_slice().len()), (5, 2));
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e2"))));
    assert_eq!(bench.outcomes(), [(2, Ok(2)), (3, Ok(3)), (4, Ok(4)), (5, Ok(5))]);
}

#[test]
fn after_a_slow_write_the_next_one_waits_for_those_who_were_just_answered() {
    let updates = |bench: &mut Bench, callers: std::ops::Range<u32>| {
        for caller in callers {
            bench.call(caller, "add");
            bench.updated(caller.into());
        }
    };
    let writes = |bench: &mut Bench| {
        let is_write = |action: &Action<u32>| matches!(action, Action::Write(..));
        bench.actions.drain(..).filter(is_write).count()
    };
    let mut bench = Bench::live(None);
    updates(&mut bench, 1..4);
    assert_eq!(writes(&mut bench), 1);
    bench.time_ms = 16;
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e1"))));
    assert_eq!(writes(&mut bench), 0, "two wait, and one was answered");
    updates(&mut bench, 4..5);
    assert_eq!(writes(&mut bench), 1, "it is back");
    bench.time_ms = 32;
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e2"))));
    updates(&mut bench, 5..6);
    assert_eq!(writes(&mut bench), 0, "the others are not");
    bench.wake_at(34);
    assert_eq!(writes(&mut bench), 1, "and are waited for only for a limited time");
}

#[test]
fn a_failed_call_leaves_no_trace() {
    for ran in [
        RunOutcome::Faulted(Fault::Trapped(String::new())),
        RunOutcome::TimedOut,
        RunOutcome::Rejected {
            rejection: HandlerError::UnknownHandler(String::new()),
            may_have_changed: true,
        },
    ] {
        let mut bench = Bench::live(Some((foreign(3, &[(3, 99)]), etag("e"))));
        bench.call(1, "add");
        bench.step(Input::Ran(ran));
        bench.actions.clear();
        bench.answers.clear();
        bench.call(2, "value");
        let Action::Run(run) = bench.action() else { panic!("the next call runs") };
        assert_eq!((run.version, run.state, run.is_in_sync), (3, Some(state(3)), false));
    }
}

#[test]
fn an_undecided_write_is_sent_again_until_it_is_decided() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated(1);
    bench.actions.clear();
    bench.step(Input::WriteFinished(PutOutcome::Unknown("timeout".into())));
    assert!(matches!(bench.action(), Action::Resend(_)));
    for put in [PutOutcome::Rejected("403".into()), PutOutcome::Unavailable("a full disk".into())] {
        bench.step(Input::WriteFinished(put));
        let is_resent = matches!(bench.action(), Action::Resend(_));
        assert!(is_resent, "an earlier attempt may take place yet");
    }
    bench.time_ms = 1000;
    bench.step(Input::Wake);
    assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::OutcomeUnknown))]);
    bench.step(Input::WriteFinished(PutOutcome::PreconditionFailed));
    assert!(matches!(bench.action(), Action::Reread(_)));
    let own = match bench.machine.activation.live.as_ref().unwrap().commit.in_flight() {
        Some(write) => write,
        None => panic!("the write is in progress"),
    };
    let record = Record { recent: RecentWrites::new(vec![own]), ..foreign(1, &[]) };
    bench.step(Input::Reread(ReloadOutcome::Found(Some((record, etag("e1"))))));
    assert!(matches!(bench.action(), Action::Committed(0)));
    assert_eq!(bench.machine.status().map(|position| position.version), Some(1));
}

#[test]
fn a_write_that_was_sent_once_and_not_taken_was_not_executed() {
    for put in [PutOutcome::Rejected("403".into()), PutOutcome::Unavailable("a full disk".into())] {
        let mut bench = Bench::live(None);
        bench.call(1, "add");
        bench.updated(1);
        bench.actions.clear();
        bench.step(Input::WriteFinished(put));
        assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::StoreUnavailable))]);
        bench.step(Input::Released);
        assert!(matches!(bench.actions.last(), Some(Action::Ended(Reason::StoreDenied))));
    }
}

#[test]
fn a_late_write_of_a_former_owner_is_taken_over() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated(1);
    bench.call(2, "add");
    bench.actions.clear();
    bench.step(Input::WriteFinished(PutOutcome::PreconditionFailed));
    bench.actions.clear();
    let found = (foreign(1, &[(1, 99)]), etag("other"));
    bench.step(Input::Reread(ReloadOutcome::Found(Some(found))));
    assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::CommitRefused))]);
    assert!(matches!(bench.action(), Action::DropInstance));
    bench.updated(2);
    assert_eq!(
        bench.outcomes(),
        [(2, Err(ErrorCode::CommitRefused))],
        "it ran on a state that was never committed"
    );
    bench.actions.clear();
    bench.call(3, "add");
    let Action::Run(run) = bench.action() else { panic!("the next call runs") };
    assert_eq!((run.version, run.is_in_sync), (1, false));
    bench.updated(2);
    let record = bench.written();
    assert_eq!((record.version, record.epoch), (2, 8));
}

#[test]
fn a_fenced_owner_answers_what_was_done_and_ends() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated(1);
    let own = bench.actions.drain(..).find_map(|action| match action {
        Action::Write(record, _, _) => record.recent.as_slice().last().copied(),
        _ => None,
    });
    bench.call(2, "value");
    bench.step(Input::Ran(RunOutcome::Queried { reply: Bytes::from_static(b"1") }));
    bench.step(Input::WriteFinished(PutOutcome::PreconditionFailed));
    let other = Write { version: 2, id: write_id(99) };
    let record = Record { recent: RecentWrites::new(vec![own.unwrap(), other]), ..foreign(2, &[]) };
    bench.step(Input::Reread(ReloadOutcome::Found(Some((record, etag("other"))))));
    assert_eq!(bench.outcomes(), [(1, Ok(1)), (2, Err(ErrorCode::CommitRefused))]);
    bench.step(Input::Released);
    assert!(matches!(bench.actions.last(), Some(Action::Ended(Reason::Fenced))));
}

#[test]
fn a_refused_write_is_resolved_by_the_writes_that_the_record_remembers() {
    let mine = Write { version: 4, id: write_id(4) };
    let matches = Condition::Matches(etag("e3"));
    let many: Vec<_> = (5..13).map(|n| (n, n)).collect();
    for (why, found, condition, expected) in [
        ("mine is the newest", Some(vec![(3, 3), (4, 4)]), &matches, Resolution::Committed),
        (
            "mine, and one more",
            Some(vec![(4, 4), (5, 5)]),
            &matches,
            Resolution::CommittedThenFenced,
        ),
        ("another made my version", Some(vec![(3, 3), (4, 9)]), &matches, Resolution::NotExecuted),
        ("all are newer, all remembered", Some(vec![(5, 5)]), &matches, Resolution::NotExecuted),
        ("all are newer, some forgotten", Some(many), &matches, Resolution::CannotTell),
        ("deleted, existed before", None, &matches, Resolution::NotExecuted),
        ("deleted, did not exist before", None, &Condition::Absent, Resolution::Undecided),
    ] {
        let record = found.map(|writes| foreign(writes.last().unwrap().0, &writes));
        assert_eq!(resolve(mine, condition, record.as_ref()), expected, "{why}");
    }
}

#[test]
fn a_repeated_key_changes_nothing_and_gets_the_first_answer_after_its_commit() {
    let mut bench = Bench::live(None);
    bench.step(Input::Call(keyed(1), 1));
    bench.updated(1);
    bench.actions.clear();
    bench.step(Input::Call(keyed(1), 2));
    bench.step(Input::Call(keyed(2), 3));
    assert_eq!(bench.outcomes(), []);
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e"))));
    assert!(matches!(bench.action(), Action::Committed(3)), "and nothing ran");
    let replayed: Vec<_> =
        bench.answers.iter().map(|(_, a)| a.as_ref().is_ok_and(|d| d.replayed)).collect();
    assert_eq!(replayed, [false, true, false]);
    let expected = [(1, Ok(1)), (2, Ok(1)), (3, Err(ErrorCode::IdempotencyKeyReused))];
    assert_eq!(bench.outcomes(), expected);
}

#[test]
fn a_call_runs_only_at_the_version_it_asks_for() {
    let record = || Some((foreign(3, &[(3, 99)]), etag("e")));
    for (precondition, runs) in [
        (Precondition::Version(3), true),
        (Precondition::Version(2), false),
        (Precondition::OneOf(Arc::from([2, 3])), true),
        (Precondition::OneOf(Arc::from([2, 4])), false),
        (Precondition::OneOf(Arc::from([])), false),
        (Precondition::Present, true),
        (Precondition::Absent, false),
        (Precondition::AbsentAt(Arc::from([3])), false),
    ] {
        let mut bench = Bench::live(record());
        bench.step(Input::Call(Call { precondition: precondition.clone(), ..call("put") }, 1));
        assert_eq!(bench.actions.len() == 1, runs, "{precondition:?}");
        let refused = if runs { vec![] } else { vec![(1, Err(ErrorCode::VersionMismatch))] };
        assert_eq!(bench.outcomes(), refused);
    }
}

#[test]
fn deletion_is_a_version_and_the_object_begins_again_after_it() {
    let mut bench = Bench::live(Some((foreign(3, &[(3, 99)]), etag("e"))));
    bench.step(Input::Call(Call { operation: Operation::Delete, ..call("") }, 1));
    bench.actions.retain(|action| matches!(action, Action::Write(..)));
    let record = bench.written();
    assert_eq!((record.version, record.epoch, record.state), (4, 8, None));
    bench.step(Input::Call(Call { operation: Operation::Delete, ..call("") }, 2));
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e4"))));
    assert_eq!(bench.outcomes(), [(1, Ok(4)), (2, Err(ErrorCode::ObjectNotFound))]);
    bench.actions.clear();
    let absent_at = |version| Precondition::AbsentAt(Arc::from([version]));
    bench.step(Input::Call(Call { precondition: absent_at(3), ..call("put") }, 3));
    assert_eq!(bench.outcomes().last(), Some(&(3, Err(ErrorCode::VersionMismatch))));
    let absent = Call { precondition: absent_at(4), ..call("put") };
    bench.step(Input::Call(absent, 4));
    let Action::Run(run) = bench.action() else { panic!("it does not exist") };
    assert_eq!((run.version, run.state), (4, None));
}

#[test]
fn the_claim_is_given_back_when_all_is_settled_and_not_before() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.actions.clear();
    bench.step(Input::Deactivate(Reason::Requested));
    assert!(bench.actions.is_empty(), "a call is running");
    bench.updated(1);
    bench.written();
    bench.step(Input::WriteFinished(PutOutcome::Unknown("503".into())));
    assert!(matches!(bench.action(), Action::Resend(_)));
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e"))));
    assert_eq!(bench.outcomes(), [(1, Ok(1))]);
    bench.call(2, "value");
    assert!(matches!(bench.actions.last(), Some(Action::Release)));
    bench.actions.clear();
    bench.step(Input::Released);
    let [Action::Ended(Reason::Requested), Action::Claim] = bench.actions.as_slice() else {
        panic!("a call that arrived in the meantime starts again: {:?}", bench.actions);
    };
}

#[test]
fn a_draining_node_lets_waiting_calls_have_their_turn_and_starts_nothing_again() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.call(2, "add");
    bench.step(Input::Deactivate(Reason::Draining));
    bench.updated(1);
    bench.updated(2);
    bench.step(Input::Deactivate(Reason::Draining));
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e1"))));
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e2"))));
    bench.call(3, "add");
    bench.step(Input::Released);
    assert_eq!(bench.outcomes(), [(1, Ok(1)), (2, Ok(2)), (3, Err(ErrorCode::Draining))]);
    assert!(bench.machine.is_cold());
}

#[test]
fn a_full_mailbox_and_a_late_call_change_nothing() {
    let mut bench = Bench::live(None);
    for caller in 0..4 {
        bench.call(caller, "add");
    }
    bench.time_ms = 50;
    bench.step(Input::Wake);
    assert_eq!(bench.outcomes(), [(3, Err(ErrorCode::MailboxFull))]);
    bench.time_ms = 1000;
    bench.step(Input::Wake);
    let late = [(1, Err(ErrorCode::DeadlineExceeded)), (2, Err(ErrorCode::DeadlineExceeded))];
    assert_eq!(bench.outcomes(), late);
    assert_eq!(ErrorCode::MailboxFull.effect(), Effect::None);
}

#[test]
fn a_record_that_must_not_be_used_is_neither_served_nor_overwritten() {
    let mut bench = Bench::new();
    bench.call(1, "add");
    bench.step(Input::Claimed(Ok(Claimed::Granted)));
    bench.actions.clear();
    bench.step(Input::Loaded(Err(LoadFailure::Record("checksum".into()))));
    assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::RecordDamaged))]);
    assert!(matches!(bench.action(), Action::Release));
    bench.step(Input::Released);
    assert!(matches!(bench.action(), Action::Ended(Reason::RecordDamaged)));
}
