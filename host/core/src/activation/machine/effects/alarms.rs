//! Alarms of a live object: firing the one that is due, and the end of its handler.

use std::sync::Arc;

use super::{CallMeta, EffectsState, FiredAlarm, Started};
use crate::activation::effects::alarms::Failed;
use crate::activation::effects::outbox::reason;
use crate::activation::machine::commit::Commit;
use crate::activation::machine::live::Live;
use crate::activation::machine::step::Step;
use crate::activation::protocol::{Action, Now};
use crate::activation::{Answer, Call, Operation};
use crate::caller::Caller;
use crate::effects::Trigger;
use crate::error::{Error, ErrorCode};
use crate::id::ObjectId;
use crate::store::record::effects::DurableEffects;

impl EffectsState {
    /// Whether an alarm is due.
    pub(in crate::activation::machine) fn is_alarm_due(&self, now: Now<'_>) -> bool {
        self.newest().is_some_and(|durable| durable.due_alarm(now.wall_ms).is_some())
    }

    /// Prepares the call of the due alarm for a wake-up, or the original call if no alarm is due.
    pub(in crate::activation::machine) fn start_alarm(
        &self,
        id: &ObjectId,
        call: Call,
        now: Now<'_>,
    ) -> Started {
        let due = |durable: &DurableEffects| durable.due_alarm(now.wall_ms).cloned();
        let durable = self.newest();
        let Some((durable, alarm)) = durable.and_then(|known| Some((known, due(known)?))) else {
            return self.start(call);
        };
        let handler = alarm.handler.as_ref().into();
        let operation = Operation::Handle { handler, argument: alarm.argument.clone() };
        let alarms = durable.alarms_after(&alarm.name, now.wall_ms);
        let meta = CallMeta {
            message: None,
            alarm: Some(FiredAlarm { name: Arc::clone(&alarm.name), after: alarms.clone() }),
        };
        let trigger = Trigger::Alarm { name: Arc::clone(&alarm.name), due_ms: alarm.due_ms };
        let call = Call { operation, caller: Caller::Object(id.clone()), ..call };
        Started { call, trigger, alarms, meta }
    }

    /// Schedules a wake-up for the next committed alarm.
    pub(in crate::activation::machine) fn schedule_alarm<T>(
        &self,
        commit: &Commit,
        step: &mut Step<'_, T>,
    ) {
        if let Some(next_ms) = next_alarm_ms(commit) {
            step.push(Action::ScheduleAlarm(next_ms));
        }
    }

    /// Removes all alarms of a deleted object, including failed ones: they would recreate it.
    pub(in crate::activation::machine) fn cancel_alarms(&mut self) {
        let is_there = |known: &DurableEffects| known.alarms.is_some() || !known.failed.is_empty();
        if self.newest().is_some_and(is_there) {
            let effects = self.edit();
            effects.alarms = None;
            effects.failed.clear();
        }
    }
}

impl<T> Live<T> {
    /// Records the end of an alarm's handler that changed nothing. An error is a failed attempt, unless the node
    /// caused it; a query has completed the alarm.
    pub(in crate::activation::machine) fn alarm_ended(
        &mut self,
        meta: &CallMeta,
        answer: Answer,
        step: &mut Step<'_, T>,
    ) -> Answer {
        let Some(FiredAlarm { name, after }) = &meta.alarm else { return answer };
        // The handler did not run, because the node lacked memory or room. That does not count as an attempt: the alarm
        // stays due.
        let is_of_node =
            |error: &Error| matches!(error.code, ErrorCode::NodeMemoryFull | ErrorCode::NodeFull);
        if answer.as_ref().is_err_and(|error| is_of_node(error)) {
            return answer;
        }
        let durable = self.effects.edit();
        match &answer {
            Ok(_) => durable.alarms.clone_from(after),
            Err(error) => {
                let why = reason(&error.message);
                let then = match durable.alarm_failed(name, &why, step.now().wall_ms) {
                    Failed::Again => "it will fire again later".to_owned(),
                    Failed::PassedOver => "it is skipped until its next time".to_owned(),
                    Failed::Kept(number) => {
                        format!("it was given up and is kept as failed alarm {number}")
                    }
                };
                let text = format!("the alarm {name} failed; {then}: {why}");
                step.push(Action::Warn(text));
            }
        }
        self.current.bump(step.now());
        let reply = self.effects.wake_reply(Some(name), &self.commit);
        Ok(self.done(reply, self.current.version()))
    }
}

/// Returns when the first committed alarm is due.
pub(super) fn next_alarm_ms(commit: &Commit) -> Option<u64> {
    commit.effects().and_then(|durable| durable.next_alarm_ms())
}
