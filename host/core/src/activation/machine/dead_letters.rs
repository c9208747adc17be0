//! Operator actions on dead letters and failed alarms, and removal of alarms with their object.

use bytes::Bytes;

use super::step::Step;
use super::{Live, RunningCall};
use crate::activation::effects::edit;
use crate::activation::{Answer, Operation, refuse};
use crate::error::{Error, ErrorCode};
use crate::id::ObjectId;
use crate::store::record::effects::DurableEffects;

impl<T> Live<T> {
    /// Removes all alarms of a deleted object, including failed ones: they would recreate it.
    pub(super) fn cancel_alarms(&mut self) {
        let is_there = |known: &DurableEffects| known.alarms.is_some() || !known.failed.is_empty();
        if self.effects().is_some_and(is_there) {
            let effects = edit(&mut self.current.effects);
            effects.alarms = None;
            effects.failed.clear();
        }
    }

    /// Applies `operation` to dead letters or failed alarms.
    pub(super) fn change_given_up(
        &mut self,
        operation: &Operation,
        running: RunningCall<T>,
        step: &mut Step<'_, T>,
    ) {
        let id = step.id();
        let mut effects = self.effects().cloned().unwrap_or_default();
        let version = self.current.version;
        let answer = match changed(&mut effects, id, operation) {
            Ok(0) => Ok(self.done(Bytes::from_static(b"0"), version)),
            Ok(count) => {
                self.current.effects = Some(effects.into());
                let (state, reply) = (self.current.state.clone(), Bytes::from(count.to_string()));
                return self.changed(running, state, reply, None, step.now());
            }
            Err(answer) => answer,
        };
        let RunningCall { caller, deadline, consistency, .. } = running;
        let seen = self.read_reply(caller, version, answer, deadline, consistency);
        self.queue_reply(seen, step);
    }
}

/// Returns how many messages or alarms were retried or discarded.
fn changed(
    effects: &mut DurableEffects,
    id: &ObjectId,
    operation: &Operation,
) -> Result<usize, Answer> {
    match *operation {
        Operation::DeadLetters { is_retry: true, number } => {
            let retried = effects.retry_dead(number);
            retried.map_err(|full| {
                refuse(ErrorCode::OutboxFull, format!("{id} was not changed: {full}"))
            })
        }
        Operation::DeadLetters { number, .. } => Ok(effects.drop_dead(number)),
        Operation::FailedAlarms { is_retry: true, number } => {
            effects.retry_alarms(number).map_err(|why| {
                let error =
                    Error::new(ErrorCode::AlarmConflict, format!("{id} was not changed: {why}"));
                let hint = format!("list its alarms: highlander alarms {id}");
                Err(Box::new(error.with_hint(hint)))
            })
        }
        Operation::FailedAlarms { number, .. } => Ok(effects.drop_alarms(number)),
        _ => Ok(0),
    }
}
