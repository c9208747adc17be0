//! Messages, alarms and events: what is committed with the state, and its consequences. The rules themselves are
//! tested in `activation/effects/`.

use super::*;
use crate::activation::GivenUpAction;
use crate::activation::effects::view::WakeResult;
use crate::activation::protocol::{Change, Delivered};
use crate::activation::reply::Reply;
use crate::effects::{Alarm, Effects, Event as Published, Message};
use crate::limits::{ALARM_TRIES_MAX, MESSAGE_TRIES_MAX};

fn to(key: &str) -> ObjectId {
    ObjectId::new("counter", key).unwrap()
}

fn messages(keys: &[&str]) -> Effects {
    let message = |key: &&str| Message {
        to: to(key),
        handler: "add".into(),
        argument: Bytes::from_static(b"1"),
    };
    Effects { messages: keys.iter().map(message).collect(), ..Effects::default() }
}

fn alarms(due: &[(&str, u64)]) -> Effects {
    let alarm = |(name, due_ms): &(&str, u64)| Alarm::new(name, *due_ms, None, "ring", "null");
    Effects { alarms: Some(due.iter().map(alarm).collect()), ..Effects::default() }
}

impl Bench {
    fn updated_with(&mut self, n: u64, effects: Effects) {
        let (reply, effects) = (n.to_string().into(), Some(Box::new(effects)));
        self.actions.clear();
        self.step(Input::Ran(RunOutcome::Updated { reply, state: state(n), effects }));
    }

    /// Removes the write action and returns its record.
    #[track_caller]
    fn writes(&mut self) -> Record {
        let is_write = |action: &Action<u32>| matches!(action, Action::Write(..));
        let index = self.actions.iter().position(is_write).expect("a write");
        match self.actions.swap_remove(index) {
            Action::Write(record, ..) => *record,
            _ => unreachable!(),
        }
    }

    #[track_caller]
    fn runs(&mut self) -> crate::activation::protocol::Run {
        let is_run = |action: &Action<u32>| matches!(action, Action::Run(_));
        let index = self.actions.iter().position(is_run).expect("a run");
        match self.actions.swap_remove(index) {
            Action::Run(run) => run,
            _ => unreachable!(),
        }
    }

    /// Returns numbers and receivers of the messages whose delivery has started.
    fn deliveries(&mut self) -> Vec<(u64, String)> {
        let taken = std::mem::take(&mut self.actions);
        let sent = taken.into_iter().filter_map(|action| match action {
            Action::Deliver(delivery) => {
                Some((delivery.number, delivery.message.to.key().to_owned()))
            }
            _ => None,
        });
        sent.collect()
    }

    /// Completes every write in sequence; returns the last record.
    fn settle(&mut self) -> Option<Record> {
        let mut last = None;
        while self.actions.iter().any(|action| matches!(action, Action::Write(..))) {
            last = Some(self.writes());
            self.stored(&format!("settled-{}", self.steps));
        }
        last
    }

    fn sent(&mut self, caller: u32, keys: &[&str]) -> Record {
        self.call(caller, "add");
        self.updated_with(1, messages(keys));
        self.writes()
    }

    fn stored(&mut self, tag: &str) {
        self.step(Input::WriteFinished(PutOutcome::Applied(etag(tag))));
    }

    fn wake(&mut self, caller: u32) {
        let (operation, deadline) = (Operation::Wake, BootTime::FOREVER);
        self.step(Input::Call(Call { operation, deadline, ..call("") }, caller));
    }

    /// Lets the handler of an alarm fail.
    fn fail(&mut self) {
        assert_eq!(&*self.runs().handler, "ring");
        let rejection = HandlerError::InvalidArgument("no".to_owned());
        self.step(Input::Ran(RunOutcome::Rejected { rejection, may_have_changed: true }));
    }

    /// Returns the newest version, committed or not.
    #[track_caller]
    fn version(&self) -> Version {
        self.machine.activation.live.as_ref().expect("a live object").current.version()
    }

    fn woken(&mut self) -> WakeResult {
        let (_, answer) = self.answers.pop().expect("an answer");
        match answer.unwrap().reply {
            Reply::Woken(result) => *result,
            other => panic!("not the reply to a wake-up: {other:?}"),
        }
    }
}

#[test]
fn messages_leave_after_the_commit_that_holds_them_one_to_each_receiver() {
    let mut bench = Bench::live(None);
    let record = bench.sent(1, &["b", "b", "c"]);
    assert_eq!(record.effects.as_ref().map(|durable| durable.outbox.len()), Some(3));
    assert!(record.effects.is_some_and(|durable| durable.wake.is_some()), "they are scheduled");
    assert_eq!(bench.deliveries(), []);
    bench.stored("1");
    assert_eq!(bench.deliveries(), [(1, "b".to_owned()), (3, "c".to_owned())]);
    bench.step(Input::Delivered(to("b"), 1, Delivered::Done));
    assert_eq!(bench.deliveries(), [(2, "b".to_owned())]);
}

#[test]
fn messages_of_a_commit_that_failed_are_never_sent() {
    let mut bench = Bench::live(None);
    bench.sent(1, &["b"]);
    bench.step(Input::WriteFinished(PutOutcome::Rejected("no".to_owned())));
    assert_eq!(bench.deliveries(), []);
}

#[test]
fn a_new_owner_delivers_what_the_record_holds() {
    let mut bench = Bench::live(None);
    let record = bench.sent(1, &["b"]);
    let mut other = Bench::new();
    other.call(0, "value");
    other.step(Input::Claimed(Ok(Claimed::Granted)));
    other.actions.clear();
    let record = Some((record, etag("1")));
    other.step(Input::Loaded(Ok(Loaded { record, code: revision(), wanted: revision() })));
    assert_eq!(other.deliveries(), [(1, "b".to_owned())]);
}

#[test]
fn what_was_delivered_is_written_before_the_claim_is_given_back() {
    let mut bench = Bench::live(None);
    bench.sent(1, &["b"]);
    bench.stored("1");
    assert!(!bench.machine.is_idle(), "it waits for the delivery");
    bench.step(Input::Delivered(to("b"), 1, Delivered::Done));
    assert!(bench.machine.is_idle());
    bench.actions.clear();
    bench.step(Input::Deactivate(Reason::Idle));
    let record = bench.writes();
    let durable = record.effects.unwrap();
    assert_eq!((record.version, durable.outbox.len(), durable.wake), (2, 0, None));
    bench.stored("2");
    assert!(bench.actions.iter().any(|action| matches!(action, Action::DeleteWakeupEntry(_))));
    assert!(bench.actions.iter().any(|action| matches!(action, Action::Release)));
}

#[test]
fn a_message_that_is_refused_again_and_again_becomes_a_dead_letter() {
    let mut bench = Bench::live(None);
    bench.sent(1, &["b", "b"]);
    bench.stored("1");
    for _ in 0..MESSAGE_TRIES_MAX {
        assert_eq!(bench.deliveries(), [(1, "b".to_owned())]);
        bench.step(Input::Delivered(to("b"), 1, Delivered::NotYet));
        assert_eq!(
            bench.deliveries(),
            [(1, "b".to_owned())],
            "an unreachable receiver does not count"
        );
        bench.step(Input::Delivered(to("b"), 1, Delivered::Refused("no".to_owned())));
    }
    let record = bench.writes();
    assert_eq!(record.effects.map(|durable| durable.dead.len()), Some(1));
    assert_eq!(bench.deliveries(), [(2, "b".to_owned())], "the next one is delivered");
}

#[test]
fn a_message_has_its_effect_once() {
    let message = |number| Call {
        caller: Caller::Object(to("sender")),
        origin: Origin { message: Some(number), ..Origin::default() },
        ..call("add")
    };
    let mut bench = Bench::live(None);
    bench.step(Input::Call(message(4), 1));
    bench.actions.clear();
    bench.updated(1);
    bench.step(Input::Call(message(4), 2));
    assert_eq!(bench.outcomes(), [], "the repetition waits for the commit of the first");
    bench.stored("1");
    assert_eq!(bench.outcomes(), [(1, Ok(1)), (2, Ok(1))]);
    bench.step(Input::Call(message(3), 3));
    assert_eq!(bench.outcomes(), [(3, Ok(1))]);
}

#[test]
fn more_messages_than_an_outbox_holds_undo_the_call() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated_with(1, messages(&vec!["b"; crate::limits::OUTBOX_COUNT_MAX + 1]));
    assert_eq!(bench.outcomes(), [(1, Err(ErrorCode::OutboxFull))]);
    assert_eq!(bench.machine.status().map(|at| at.version), Some(0));
}

#[test]
fn an_alarm_is_given_when_it_is_due_and_once() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated_with(1, alarms(&[("a", 500)]));
    let wake = bench.writes().effects.unwrap().wake.unwrap();
    bench.stored("1");
    assert!(bench.actions.iter().any(|action| matches!(action, Action::ScheduleAlarm(500))));
    bench.answers.clear();
    bench.wake(2);
    let woken = bench.woken();
    assert_eq!((woken.fired, woken.nonces.len()), (None, 2), "before its time");
    assert!(woken.nonces.contains(&crate::id::Hex(&wake.nonce.0).to_string()));
    bench.time_ms = 500;
    bench.actions.clear();
    bench.wake(3);
    let run = bench.runs();
    assert_eq!((&*run.handler, run.alarms, run.caller), ("ring", None, Caller::Object(id())));
    bench.updated(2);
    let record = bench.writes();
    assert_eq!(
        record.effects.map(|durable| (durable.alarms.clone(), durable.wake)),
        Some((None, None))
    );
    bench.stored("2");
    assert_eq!(bench.woken().fired.as_deref(), Some("a"));
    bench.wake(4);
    assert_eq!(bench.woken().fired, None);
}

#[test]
fn an_alarm_whose_handler_fails_is_given_again() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated_with(1, alarms(&[("a", 500)]));
    bench.stored("1");
    bench.time_ms = 500;
    bench.wake(2);
    bench.actions.clear();
    bench.step(Input::Ran(RunOutcome::Faulted(Fault::Stack)));
    let record = bench.writes();
    bench.stored("2");
    assert_eq!(record.effects.unwrap().next_alarm_ms(), Some(1_500));
    bench.time_ms = 1_500;
    bench.actions.clear();
    bench.wake(3);
    assert_eq!(&*bench.runs().handler, "ring");
}

#[test]
fn an_alarm_that_found_no_memory_stays_due_and_was_not_tried() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated_with(1, alarms(&[("a", 500)]));
    bench.stored("1");
    bench.time_ms = 500;
    for caller in 2..=ALARM_TRIES_MAX + 2 {
        bench.answers.clear();
        bench.wake(caller);
        bench.actions.clear();
        bench.step(Input::Ran(RunOutcome::Faulted(Fault::NodeMemoryFull(1000))));
        assert_eq!(bench.outcomes(), [(caller, Err(ErrorCode::NodeMemoryFull))]);
        bench.actions.clear();
    }
    assert_eq!(bench.version(), 1, "nothing is recorded of it");
    bench.wake(99);
    assert_eq!(&*bench.runs().handler, "ring");
}

#[test]
fn alarms_that_are_given_up_together_make_one_version_each() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated_with(1, alarms(&[("a", 500), ("b", 500), ("c", 500)]));
    bench.settle();
    let mut before = 0;
    for _ in 0..ALARM_TRIES_MAX {
        bench.settle();
        bench.time_ms += 700_000;
        before = bench.version();
        for _ in 0..3 {
            bench.wake(2);
            bench.fail();
        }
    }
    // The write that moves the late wake-up entry is still open.
    let (given_up, moved) = (3, 1);
    assert_eq!(bench.version(), before + given_up + moved);
    bench.actions.retain(|action| matches!(action, Action::Write(..)));
    for _ in 0..10 {
        bench.wake(3);
    }
    assert_eq!(bench.version(), before + given_up + moved, "a wake-up changes nothing");
    let announced =
        |bench: &Bench| bench.actions.iter().any(|a| matches!(a, Action::ScheduleAlarm(_)));
    assert!(!announced(&bench), "alarms that were handled are not announced again");
    let record = bench.settle().unwrap();
    let durable = record.effects.unwrap();
    assert_eq!((record.version, durable.wake), (before + given_up + moved, None));
    assert_eq!(durable.failed.len(), 3);
}

#[test]
fn a_wake_up_changes_nothing_while_a_change_waits_that_writes_the_entry() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated_with(1, alarms(&[("a", 500)]));
    bench.call(1, "add");
    bench.updated_with(2, alarms(&[]));
    for caller in 2..12 {
        bench.wake(caller);
    }
    assert_eq!(bench.version(), 2);
    bench.stored("1");
    assert_eq!(bench.writes().effects.unwrap().wake, None, "that change removes the entry");
    bench.stored("2");
    bench.wake(12);
    assert_eq!(bench.version(), 2);
}

#[test]
fn alarms_of_a_record_that_is_taken_over_are_announced() {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated_with(1, alarms(&[("a", 500)]));
    let record = bench.writes();
    bench.stored("1");
    bench.time_ms = 500;
    bench.wake(2);
    bench.actions.clear();
    bench.updated(2);
    bench.step(Input::WriteFinished(PutOutcome::PreconditionFailed));
    bench.actions.clear();
    bench.step(Input::Reread(ReloadOutcome::Found(Some((record, etag("other"))))));
    assert!(bench.actions.iter().any(|action| matches!(action, Action::ScheduleAlarm(500))));
}

/// Returns an object whose alarm was given up, and the record that contains the failed alarm.
fn given_up() -> (Bench, Record) {
    let mut bench = Bench::live(None);
    bench.call(1, "add");
    bench.updated_with(1, alarms(&[("a", 500)]));
    bench.stored("1");
    let mut record = None;
    for _ in 0..ALARM_TRIES_MAX {
        bench.time_ms += 700_000;
        bench.actions.clear();
        bench.wake(2);
        // The wake-up entry is late, and a separate write moves it.
        bench.settle();
        bench.fail();
        record = bench.settle();
    }
    let record = record.expect("each failure is written");
    bench.answers.clear();
    bench.actions.clear();
    (bench, record)
}

impl Bench {
    fn failed_alarms(&mut self, caller: u32, action: GivenUpAction, number: Option<u64>) {
        let (operation, deadline) = (Operation::FailedAlarms { action, number }, BootTime::FOREVER);
        self.step(Input::Call(Call { operation, deadline, ..call("") }, caller));
    }
}

#[test]
fn an_alarm_that_is_given_up_is_in_the_record_with_the_reason() {
    let (mut bench, record) = given_up();
    let durable = record.effects.unwrap();
    assert_eq!((durable.alarms.as_ref(), durable.wake), (None, None), "nothing wakes it");
    let failed = durable.failed.first().unwrap();
    assert!(failed.alarm.failure.as_deref().is_some_and(|why| why.contains("no")), "{failed:?}");
    bench.time_ms += 700_000;
    bench.wake(3);
    assert_eq!(bench.woken().fired, None, "it no longer fires");
}

#[test]
fn a_failed_alarm_is_set_anew_or_dropped_and_the_answer_waits_for_the_commit() {
    let (mut bench, record) = given_up();
    bench.failed_alarms(3, GivenUpAction::Retry, Some(2));
    let version = record.version;
    assert_eq!(bench.outcomes(), [(3, Ok(version))], "it does not exist: nothing is written");
    bench.failed_alarms(4, GivenUpAction::Retry, Some(1));
    assert_eq!(bench.outcomes(), []);
    let durable = bench.writes().effects.unwrap();
    assert_eq!((durable.failed.len(), durable.next_alarm_ms()), (0, Some(500)));
    assert!(durable.wake.is_some(), "it is scheduled");
    bench.stored("b");
    assert_eq!(bench.outcomes(), [(4, Ok(version + 1))]);
    let (mut bench, _) = given_up();
    bench.failed_alarms(5, GivenUpAction::Discard, None);
    assert_eq!(bench.writes().effects.unwrap().failed, []);
}

#[test]
fn a_failed_alarm_does_not_take_the_place_of_one_that_is_set() {
    let (mut bench, _) = given_up();
    bench.step(Input::Call(Call { deadline: BootTime::FOREVER, ..call("add") }, 3));
    bench.updated_with(2, alarms(&[("a", 900_000_000)]));
    bench.settle();
    bench.outcomes();
    bench.failed_alarms(4, GivenUpAction::Retry, Some(1));
    assert_eq!(bench.outcomes(), [(4, Err(ErrorCode::AlarmConflict))]);
}

#[test]
fn an_object_that_is_deleted_has_no_failed_alarms() {
    let (mut bench, _) = given_up();
    let (operation, deadline) = (Operation::Delete, BootTime::FOREVER);
    bench.step(Input::Call(Call { operation, deadline, ..call("") }, 3));
    assert_eq!(bench.writes().effects.unwrap().failed, []);
}

#[test]
fn those_who_watch_are_told_after_the_commit_and_in_order() {
    let news = || {
        let event = Published { name: "news".into(), data: Bytes::from_static(b"1") };
        Effects { events: vec![event], ..Effects::default() }
    };
    let mut bench = Bench::live(None);
    bench.is_watched = true;
    bench.call(1, "add");
    bench.updated_with(1, news());
    bench.call(2, "add");
    bench.step(Input::Ran(RunOutcome::Updated {
        reply: Bytes::new(),
        state: state(2),
        effects: None,
    }));
    let published = |bench: &mut Bench| {
        let taken = std::mem::take(&mut bench.actions);
        let told = taken.into_iter().filter_map(|action| match action {
            Action::Publish(Change { version, events, .. }) => Some((version, events.len())),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(published(&mut bench), []);
    bench.stored("1");
    assert_eq!(published(&mut bench), [(1, 1)]);
    bench.stored("2");
    assert_eq!(published(&mut bench), [(2, 0)]);
    bench.call(3, "add");
    bench.updated_with(3, news());
    bench.step(Input::WriteFinished(PutOutcome::Rejected("no".to_owned())));
    assert_eq!(published(&mut bench), [], "uncommitted changes are never published");
}

#[test]
fn a_commit_counts_replies_and_not_the_events_that_are_published_with_them() {
    let mut bench = Bench::live(None);
    bench.is_watched = true;
    bench.call(1, "add");
    bench.updated(1);
    bench.actions.clear();
    bench.step(Input::WriteFinished(PutOutcome::Applied(etag("e"))));
    let counted = bench.actions.iter().find_map(|action| match action {
        Action::Committed(count) => Some(*count),
        _ => None,
    });
    assert_eq!(counted, Some(1), "{:?}", bench.actions);
    assert!(bench.actions.iter().any(|action| matches!(action, Action::Publish(_))));
}
