//! What an operator does with messages and alarms that were given up, and what becomes of alarms with their object.
//! When something is given up is decided in `dealings`.

use bytes::Bytes;

use super::{Live, Running};
use crate::activation::dealings::edit;
use crate::activation::protocol::{Action, Now};
use crate::activation::{Answer, Operation, refuse};
use crate::error::{Code, Error};
use crate::id::ObjectId;
use crate::store::record::dealings::Dealings;

impl<T> Live<T> {
    /// An object that is deleted has no alarms any more, not even failed ones: they would bring it back.
    pub(super) fn cancel_alarms(&mut self) {
        let is_there = |known: &Dealings| known.alarms.is_some() || !known.failed.is_empty();
        if self.dealings().is_some_and(is_there) {
            let dealings = edit(&mut self.head.dealings);
            dealings.alarms = None;
            dealings.failed.clear();
        }
    }

    /// Does what `operation` says with messages or alarms that were given up.
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

/// How many were sent anew, set anew, or dropped.
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
                let hint = format!("look at its alarms with: highlander alarms {id}");
                Err(Box::new(error.with_hint(hint)))
            })
        }
        Operation::FailedAlarms { number, .. } => Ok(dealings.drop_alarms(number)),
        _ => Ok(0),
    }
}
