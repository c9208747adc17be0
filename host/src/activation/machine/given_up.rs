//! Operator actions on dead letters and failed alarms, and removal of alarms with their object.

use bytes::Bytes;

use super::{Live, Running};
use crate::activation::dealings::edit;
use crate::activation::protocol::{Action, Now};
use crate::activation::{Answer, Operation, refuse};
use crate::error::{Code, Error};
use crate::id::ObjectId;
use crate::store::record::dealings::Dealings;

impl<T> Live<T> {
    /// Removes all alarms of a deleted object, including failed ones: they would recreate it.
    pub(super) fn cancel_alarms(&mut self) {
        let is_there = |known: &Dealings| known.alarms.is_some() || !known.failed.is_empty();
        if self.dealings().is_some_and(is_there) {
            let dealings = edit(&mut self.head.dealings);
            dealings.alarms = None;
            dealings.failed.clear();
        }
    }

    /// Applies `operation` to dead letters or failed alarms.
    pub(super) fn change_given_up(
        &mut self,
        id: &ObjectId,
        operation: &Operation,
        running: Running<T>,
        now: Now<'_>,
        actions: &mut Vec<Action<T>>,
    ) {
        let mut dealings = self.dealings().cloned().unwrap_or_default();
        let version = self.head.version;
        let answer = match changed(&mut dealings, id, operation) {
            Ok(0) => Ok(self.done(Bytes::from_static(b"0"), version)),
            Ok(count) => {
                self.head.dealings = Some(dealings.into());
                let (state, reply) = (self.head.state.clone(), Bytes::from(count.to_string()));
                return self.changed(running, state, reply, None, now);
            }
            Err(answer) => answer,
        };
        let Running { caller, deadline, consistency, .. } = running;
        let seen = self.seen(caller, version, answer, deadline, consistency);
        self.hold(seen, now, actions);
    }
}

/// Returns how many messages or alarms were retried or discarded.
fn changed(dealings: &mut Dealings, id: &ObjectId, operation: &Operation) -> Result<usize, Answer> {
    match *operation {
        Operation::DeadLetters { is_retry: true, number } => {
            let retried = dealings.retry_dead(number);
            retried
                .map_err(|full| refuse(Code::OutboxFull, format!("{id} was not changed: {full}")))
        }
        Operation::DeadLetters { number, .. } => Ok(dealings.drop_dead(number)),
        Operation::FailedAlarms { is_retry: true, number } => {
            dealings.retry_alarms(number).map_err(|why| {
                let error = Error::new(Code::AlarmConflict, format!("{id} was not changed: {why}"));
                let hint = format!("list its alarms: highlander alarms {id}");
                Err(Box::new(error.with_hint(hint)))
            })
        }
        Operation::FailedAlarms { number, .. } => Ok(dealings.drop_alarms(number)),
        _ => Ok(0),
    }
}
