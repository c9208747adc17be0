//! Operator actions on dead letters and failed alarms.

use crate::activation::machine::calls::RunningCall;
use crate::activation::machine::live::Live;
use crate::activation::machine::step::Step;
use crate::activation::reply::Reply;
use crate::activation::{Answer, GivenUpAction, Operation, refuse};
use crate::error::{Error, ErrorCode};
use crate::id::ObjectId;
use crate::store::record::effects::DurableEffects;

impl<T> Live<T> {
    /// Applies `operation` to dead letters or failed alarms.
    pub(in crate::activation::machine) fn change_given_up(
        &mut self,
        operation: &Operation,
        running: RunningCall<T>,
        step: &mut Step<'_, T>,
    ) {
        let mut effects = self.effects.newest().cloned().unwrap_or_default();
        let version = self.current.version();
        let answer = match changed(&mut effects, step.id(), operation) {
            Ok(0) => Ok(self.done(Reply::Changed(0), version)),
            Ok(count) => {
                self.effects.newest = Some(effects.into());
                let state = self.current.state().cloned();
                return self.changed(running, state, Reply::Changed(count), None, step);
            }
            Err(answer) => answer,
        };
        self.reply_read(running.reply_to, version, answer, step);
    }
}

/// Returns how many messages or alarms were retried or discarded.
fn changed(
    effects: &mut DurableEffects,
    id: &ObjectId,
    operation: &Operation,
) -> Result<usize, Answer> {
    match *operation {
        Operation::DeadLetters { action: GivenUpAction::Retry, number } => {
            let retried = effects.retry_dead(number);
            retried.map_err(|full| {
                refuse(ErrorCode::OutboxFull, format!("{id} was not changed: {full}"))
            })
        }
        Operation::DeadLetters { number, .. } => Ok(effects.drop_dead(number)),
        Operation::FailedAlarms { action: GivenUpAction::Retry, number } => {
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
