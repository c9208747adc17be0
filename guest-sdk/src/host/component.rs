//! Host functions in a component: the imports of the WIT world, with the SDK's types.

use super::parameters::{CallOptions, LogLevel, whole_ms};
use crate::Json;
use crate::alarm::{Alarm, Due};
use crate::caller::ObjectId;
use crate::error::{CallError, EffectError};
use crate::reading;
use crate::rejection::Rejection;
use crate::wit::bindings::highlander::object::{alarms, clock, events, log, objects, types};

/// The real host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Host;

impl Host {
    /// Returns the host of the running handler.
    pub(crate) fn current() -> Host {
        Host
    }

    /// Runs a handler.
    pub(crate) fn run<R>(&self, handler: impl FnOnce() -> R) -> R {
        handler()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        clock::now_ms()
    }

    pub(crate) fn log(&self, level: LogLevel, message: &str) {
        let level = match level {
            LogLevel::Debug => log::Level::Debug,
            LogLevel::Info => log::Level::Info,
            LogLevel::Warn => log::Level::Warn,
            LogLevel::Error => log::Level::Error,
        };
        log::write(level, message);
    }

    pub(crate) fn call(
        &self,
        id: &ObjectId,
        handler: &str,
        argument: &[u8],
        options: &CallOptions,
    ) -> Result<Vec<u8>, CallError> {
        let options = objects::CallOptions {
            timeout_ms: options.timeout_ms,
            idempotency_key: options.idempotency_key.clone(),
        };
        objects::call(id.object_type(), id.key(), handler, argument, &options).map_err(call_failed)
    }

    pub(crate) fn send(
        &self,
        id: &ObjectId,
        handler: &str,
        argument: &[u8],
    ) -> Result<(), EffectError> {
        objects::send(id.object_type(), id.key(), handler, argument).map_err(effect_error)
    }

    pub(crate) fn publish(&self, name: &str, data: &[u8]) -> Result<(), EffectError> {
        events::publish(name, data).map_err(effect_error)
    }

    pub(crate) fn set_alarm(
        &self,
        name: &str,
        due: Due,
        every_ms: Option<u64>,
        handler: &str,
        argument: &[u8],
    ) -> Result<(), EffectError> {
        let due = match due {
            Due::AtMs(at_ms) => alarms::Due::AtMs(at_ms),
            Due::After(after) => alarms::Due::AfterMs(whole_ms(after)),
        };
        alarms::set(name, due, every_ms, handler, argument).map_err(effect_error)
    }

    pub(crate) fn cancel_alarm(&self, name: &str) -> Result<bool, EffectError> {
        alarms::cancel(name).map_err(effect_error)
    }

    pub(crate) fn alarms(&self) -> Vec<Alarm> {
        alarms::list().into_iter().map(alarm).collect()
    }
}

#[expect(clippy::panic, reason = "the author chose an argument that `Json` cannot hold")]
fn alarm(alarm: alarms::Alarm) -> Alarm {
    let argument: Json = match reading::read(&alarm.argument) {
        Ok(argument) => argument,
        Err(error) => {
            panic!("the argument of the alarm {} cannot be read as `Json`: {error}", alarm.name)
        }
    };
    Alarm {
        name: alarm.name,
        due_ms: alarm.due_ms,
        every_ms: alarm.every_ms,
        handler: alarm.handler,
        argument,
    }
}

fn call_failed(error: objects::CallError) -> CallError {
    match error {
        objects::CallError::Rejected(refusal) => {
            let rejection = Rejection::new(refusal.code, refusal.message);
            CallError::Rejected(rejection.with_detail_json(refusal.detail))
        }
        objects::CallError::InvalidArgument(text) => CallError::InvalidArgument(text),
        objects::CallError::NotFound(text) => CallError::NotFound(text),
        objects::CallError::Cycle(text) => CallError::Cycle(text),
        objects::CallError::TooDeep(text) => CallError::TooDeep(text),
        objects::CallError::Conflict(text) => CallError::Conflict(text),
        objects::CallError::TimedOut(text) => CallError::TimedOut(text),
        objects::CallError::Unavailable(text) => CallError::Unavailable(text),
        objects::CallError::Failed(text) => CallError::Failed(text),
        objects::CallError::Unknown(text) => CallError::Unknown(text),
    }
}

fn effect_error(error: types::EffectError) -> EffectError {
    match error {
        types::EffectError::NotInQuery => EffectError::NotInQuery,
        types::EffectError::Invalid(text) => EffectError::Invalid(text),
        types::EffectError::TooMuch(text) => EffectError::TooMuch(text),
    }
}
