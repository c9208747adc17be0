//! Start of the next call: its answer by the fast path, a handler run, or an operation that needs none.

use std::sync::Arc;

use super::RunningCall;
use super::errors::too_late;
use crate::activation::Operation;
use crate::activation::machine::effects::Started;
use crate::activation::machine::live::Live;
use crate::activation::machine::outbound::Outbound;
use crate::activation::machine::replies::{PendingReply, ReplyTo};
use crate::activation::machine::step::Step;
use crate::activation::machine::upgrade::Attempt;
use crate::activation::mailbox::Queued;
use crate::activation::protocol::{Action, Run};
use crate::activation::reply::Reply;

impl<T> Live<T> {
    pub(super) fn begin_call(&mut self, queued: Queued<T>, step: &mut Step<'_, T>) {
        let Queued { call, caller, .. } = queued;
        let (id, now) = (step.id(), step.now());
        if call.deadline <= now.time {
            return step.answer(caller, too_late(id));
        }
        let to = ReplyTo { caller, consistency: call.consistency, deadline: call.deadline };
        if call.operation == Operation::Wake {
            self.update_wakeup(step);
        }
        if let Some((version, answer)) = self.answer_at_once(id, &call, now) {
            let reply = PendingReply::of_read(to, version, answer, &mut self.read_barrier);
            return self.queue_reply(reply.with_outcome_of_change(), step);
        }
        let started = match call.operation {
            Operation::Wake => self.effects.start_alarm(id, call, now),
            _ => self.effects.start(call),
        };
        self.begin_started(started, to, step);
    }

    /// Starts a handler run, or performs an operation that needs none.
    fn begin_started(&mut self, started: Started, reply_to: ReplyTo<T>, step: &mut Step<'_, T>) {
        let Started { call, trigger, alarms, meta } = started;
        let key = call.key.as_ref().map(|key| Arc::clone(&key.key));
        let must_be_query = matches!(call.operation, Operation::Query { .. });
        let mut running = RunningCall {
            reply_to,
            key: call.key,
            is_stale: false,
            attempt: Attempt::Settled,
            meta,
            outbound: Outbound::of(&call.origin),
        };
        match call.operation {
            Operation::Handle { handler, argument } | Operation::Query { handler, argument } => {
                let mut run = Run {
                    code: self.upgrade.code().clone(),
                    handler,
                    argument,
                    must_be_query,
                    caller: call.caller,
                    trigger,
                    origin: call.origin,
                    key,
                    alarms,
                    version: self.current.version(),
                    state: self.current.state().cloned(),
                    is_in_sync: self.execution.is_in_sync,
                    deadline: running.reply_to.deadline,
                };
                running.attempt = self.upgrade.attempt(&mut run);
                self.execution.running = Some(running);
                step.push(Action::Run(run));
            }
            operation @ (Operation::DeadLetters { .. } | Operation::FailedAlarms { .. }) => {
                self.change_given_up(&operation, running, step);
            }
            Operation::Resume => {
                self.quarantine.end();
                let state = self.current.state().cloned();
                self.changed(running, state, Reply::Resumed(true), None, step);
            }
            Operation::Delete => {
                self.execution.drop_instance(step);
                self.effects.cancel_alarms();
                self.changed(running, None, Reply::Nothing, None, step);
            }
            // Answered by the fast path.
            Operation::Wake | Operation::ShowEffects | Operation::Watch { .. } => {}
        }
    }
}
