//! Mock of the host for tests: implements the WIT world as far as one object can observe it.
//!
//! The test supplies the replies of other objects, and reads the messages, events and alarms that were kept. The
//! harness decides whether the effects of a call are kept or dropped with its change.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::effects::Effects;
use super::limits;
use super::parameters::{CallOptions, LogLevel, whole_ms};
use crate::Json;
use crate::alarm::{Alarm, Due};
use crate::caller::ObjectId;
#[cfg(feature = "testing")]
use crate::caller::Trigger;
use crate::error::{CallError, EffectError};
use crate::handler::HandlerKind;
use crate::reading;

/// Reply of another object: JSON. It is not parsed here, because the calling code selects the type.
pub(crate) type Answer = Box<dyn FnMut(Json) -> Result<Vec<u8>, CallError>>;

/// An object and one of its handlers.
type HandlerOf = (ObjectId, String);

/// Mock of the host. Clones share all data, so that it outlives a restored object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Host {
    now_ms: Rc<Cell<u64>>,
    log: Rc<RefCell<Vec<(LogLevel, String)>>>,
    answers: Rc<RefCell<Answers>>,
    /// Effects of the running handler, if it is an update.
    effects: Rc<RefCell<Option<Effects>>>,
    kept: Rc<RefCell<Effects>>,
    /// Type of the object and its handlers. Without it, handlers are not checked.
    own: Rc<RefCell<Option<Own>>>,
}

/// A type and its handlers.
type Own = (&'static str, Vec<(&'static str, HandlerKind)>);

#[derive(Default)]
struct Answers(BTreeMap<HandlerOf, Answer>);

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

thread_local! {
    /// Hosts of the running handlers, innermost last: an answer may come from another harness.
    static RUNNING: RefCell<Vec<Host>> = const { RefCell::new(Vec::new()) };
}

impl Host {
    /// Returns the host of the running handler.
    #[track_caller]
    pub(crate) fn current() -> Host {
        match RUNNING.with_borrow(|running| running.last().cloned()) {
            Some(host) => host,
            None => {
                fail("an object can only be called by a handler; call yours through a `Harness`")
            }
        }
    }

    /// Runs a handler.
    pub(crate) fn run<R>(&self, handler: impl FnOnce() -> R) -> R {
        /// Removes the host even if the handler panics, because other tests may follow on this thread.
        struct Ending;
        impl Drop for Ending {
            fn drop(&mut self) {
                RUNNING.with_borrow_mut(|running| drop(running.pop()));
            }
        }
        RUNNING.with_borrow_mut(|running| running.push(self.clone()));
        let _ending = Ending;
        handler()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    pub(crate) fn log(&self, level: LogLevel, message: &str) {
        self.log.borrow_mut().push((level, message.to_owned()));
    }

    #[track_caller]
    pub(crate) fn call(
        &self,
        id: &ObjectId,
        handler: &str,
        argument: &[u8],
        _: &CallOptions,
    ) -> Result<Vec<u8>, CallError> {
        let of = (id.clone(), handler.to_owned());
        // Removed while it runs, because it may call the harness of another object, and that object may call this
        // host.
        let Some(mut answer) = self.answers.borrow_mut().0.remove(&of) else {
            fail(&format!(
                "`{handler}` of {id} was called, but the test has no answer; provide one with `Harness::answer`"
            ));
        };
        let reply = answer(json(argument));
        self.answers.borrow_mut().0.entry(of).or_insert(answer);
        reply
    }

    pub(crate) fn send(
        &self,
        id: &ObjectId,
        handler: &str,
        argument: &[u8],
    ) -> Result<(), EffectError> {
        self.update(|effects| {
            limits::handler_name(handler)?;
            self.handler_of(id.object_type(), handler)?;
            limits::message(effects, argument)?;
            effects.messages.push((id.clone(), handler.to_owned(), json(argument)));
            Ok(())
        })
    }

    pub(crate) fn publish(&self, name: &str, data: &[u8]) -> Result<(), EffectError> {
        self.update(|effects| {
            limits::event(effects, name, data)?;
            effects.event_bytes += data.len();
            effects.events.push((name.to_owned(), json(data)));
            Ok(())
        })
    }

    pub(crate) fn set_alarm(
        &self,
        name: &str,
        due: Due,
        every_ms: Option<u64>,
        handler: &str,
        argument: &[u8],
    ) -> Result<(), EffectError> {
        let due_ms = match due {
            Due::AtMs(at_ms) => at_ms,
            Due::After(after) => self.now_ms().saturating_add(whole_ms(after)),
        };
        self.update(|effects| {
            limits::alarm(effects, name, every_ms, argument)?;
            limits::handler_name(handler)?;
            self.update_of_own(handler)?;
            let (name, handler) = (name.to_owned(), handler.to_owned());
            let argument = json(argument);
            let alarm = Alarm { name: name.clone(), due_ms, every_ms, handler, argument };
            effects.alarms.insert(name, alarm);
            Ok(())
        })
    }

    pub(crate) fn cancel_alarm(&self, name: &str) -> Result<bool, EffectError> {
        self.update(|effects| {
            limits::alarm_name(name)?;
            Ok(effects.alarms.remove(name).is_some())
        })
    }

    pub(crate) fn alarms(&self) -> Vec<Alarm> {
        let kept = self.kept.borrow();
        match &*self.effects.borrow() {
            Some(effects) => effects.alarms.values().cloned().collect(),
            None => kept.alarms.values().cloned().collect(),
        }
    }

    /// Rejects a handler that the object's own type lacks. Handlers of other types cannot be checked.
    fn handler_of(
        &self,
        object_type: &str,
        handler: &str,
    ) -> Result<Option<HandlerKind>, EffectError> {
        let own = self.own.borrow();
        let Some((_, handlers)) = own.as_ref().filter(|(name, _)| *name == object_type) else {
            return Ok(None);
        };
        match handlers.iter().find(|(name, _)| *name == handler) {
            Some((_, kind)) => Ok(Some(*kind)),
            None => Err(EffectError::Invalid(format!(
                "the type {object_type} has no handler `{handler}`"
            ))),
        }
    }

    /// Rejects a handler that an alarm of the object cannot call.
    fn update_of_own(&self, handler: &str) -> Result<(), EffectError> {
        let own = self.own.borrow().as_ref().map(|(name, _)| *name);
        let Some(own) = own else { return Ok(()) };
        match self.handler_of(own, handler)? {
            Some(HandlerKind::Query) => Err(EffectError::Invalid(format!(
                "`{handler}` of {own} is a query, but an alarm can only call an update"
            ))),
            _ => Ok(()),
        }
    }

    fn update<R>(
        &self,
        change: impl FnOnce(&mut Effects) -> Result<R, EffectError>,
    ) -> Result<R, EffectError> {
        match self.effects.borrow_mut().as_mut() {
            Some(effects) => change(effects),
            None => Err(EffectError::NotInQuery),
        }
    }
}

/// Functions for the harness.
#[cfg(feature = "testing")]
impl Host {
    /// Sets the type of the object and its handlers.
    pub(crate) fn set_own(&self, own: Own) {
        *self.own.borrow_mut() = Some(own);
    }

    pub(crate) fn set_now_ms(&self, now_ms: u64) {
        self.now_ms.set(now_ms);
    }

    pub(crate) fn take_log(&self) -> Vec<(LogLevel, String)> {
        self.log.take()
    }

    pub(crate) fn answer(&self, id: ObjectId, handler: String, answer: Answer) {
        self.answers.borrow_mut().0.insert((id, handler), answer);
    }

    /// Begins a call, which has effects if it is an update. If an alarm triggers the call, that alarm is removed or
    /// rescheduled with the call's change.
    pub(crate) fn begin(&self, kind: HandlerKind, trigger: &Trigger) {
        let mut alarms = self.kept.borrow().alarms.clone();
        if let Trigger::Alarm { name, .. } = trigger
            && let Some(mut alarm) = alarms.remove(name)
            && let Some(every_ms) = alarm.every_ms
        {
            let missed = self.now_ms().saturating_sub(alarm.due_ms) / every_ms;
            alarm.due_ms += every_ms * (missed + 1);
            alarms.insert(name.clone(), alarm);
        }
        let effects = Effects { alarms, ..Effects::default() };
        *self.effects.borrow_mut() = (kind == HandlerKind::Update).then_some(effects);
    }

    /// Keeps the effects of the call.
    pub(crate) fn keep(&self) {
        let Some(effects) = self.effects.take() else { return };
        let mut kept = self.kept.borrow_mut();
        kept.messages.extend(effects.messages);
        kept.events.extend(effects.events);
        kept.alarms = effects.alarms;
    }

    /// Calls `work` with the effects that were kept.
    pub(crate) fn kept<R>(&self, work: impl FnOnce(&mut Effects) -> R) -> R {
        work(&mut self.kept.borrow_mut())
    }
}

/// Parses JSON that the SDK has written, so that the test can inspect it.
#[track_caller]
fn json(bytes: &[u8]) -> Json {
    match reading::read(bytes) {
        Ok(json) => json,
        Err(error) => fail(&format!("this value cannot be read as `Json`: {error}")),
    }
}

#[track_caller]
#[expect(
    clippy::panic,
    reason = "only tests run handlers natively, and a panic is how a test fails"
)]
fn fail(message: &str) -> ! {
    panic!("{message}")
}
