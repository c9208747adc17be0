//! Outcome of a call that ran: a new version, or an answer about the version that it read.

use super::RunningCall;
use super::errors::{faulted, rejected, unreadable};
use crate::activation::machine::live::Live;
use crate::activation::machine::replies::{PendingReply, refuse_unexecuted};
use crate::activation::machine::step::Step;
use crate::activation::machine::upgrade::Next;
use crate::activation::protocol::{Action, RunOutcome};
use crate::activation::reply::Reply;
use crate::activation::{Answer, refuse};
use crate::effects::Event;
use crate::error::ErrorCode;
use crate::store::record::State;

impl<T> Live<T> {
    /// Processes the outcome of the running call.
    pub(in crate::activation::machine) fn ran(&mut self, ran: RunOutcome, step: &mut Step<'_, T>) {
        let Some(mut running) = self.execution.take() else { return };
        if running.is_stale {
            self.execution.drop_instance(step);
            let why = "another owner replaced the state that the call ran on";
            let caller = running.reply_to.caller;
            return refuse_unexecuted(caller, ErrorCode::CommitRefused, why, step);
        }
        let ran = match self.upgrade.evaluate(running.take_attempt(), ran, step) {
            Next::Take(ran) => ran,
            Next::Again(run, attempt) => {
                self.execution.running = Some(RunningCall { attempt, ..running });
                self.execution.drop_instance(step);
                return step.push(Action::Run(run));
            }
        };
        if self.quarantine.count(&ran, &self.commit, step) {
            self.current.bump(step.now());
        }
        let answer = match ran {
            RunOutcome::Updated { reply, state, effects } => {
                match self.effects.apply(effects.as_deref(), &running.meta, step.now().wall_ms) {
                    Ok(()) => {
                        self.execution.is_in_sync = true;
                        let events = effects.map(|effects| effects.events);
                        let reply = Reply::Json(reply);
                        return self.changed(running, Some(state), reply, events, step);
                    }
                    Err(full) => {
                        self.execution.is_in_sync = false;
                        let text = format!("{} was not changed: {full}", step.id());
                        refuse(ErrorCode::OutboxFull, text)
                    }
                }
            }
            ran => self.unchanged(ran, step),
        };
        let answer = self.alarm_ended(&running.meta, answer, step);
        let version = self.current.version();
        self.reply_read(running.reply_to, version, answer, step);
    }

    /// Returns the answer to a call that changed nothing. Any changes by the handler are reverted by restoring the
    /// host's snapshot.
    fn unchanged(&mut self, ran: RunOutcome, step: &mut Step<'_, T>) -> Answer {
        let id = step.id();
        let answer = match ran {
            RunOutcome::Updated { reply, .. } | RunOutcome::Queried { reply } => {
                self.execution.is_in_sync = true;
                return Ok(self.done(Reply::Json(reply), self.current.version()));
            }
            RunOutcome::Rejected { rejection, may_have_changed } => {
                self.execution.is_in_sync &= !may_have_changed;
                return rejected(id, rejection);
            }
            RunOutcome::NoCode(error) => return Err(Box::new(error)),
            RunOutcome::Faulted(fault) => faulted(id, &fault, step.now()),
            RunOutcome::Unreadable(error) => unreadable(id, &error, step.now()),
            RunOutcome::TimedOut => {
                let text = format!("the deadline of the call to {id} passed while it ran");
                refuse(ErrorCode::DeadlineExceeded, text)
            }
        };
        self.execution.drop_instance(step);
        answer
    }

    /// Records that the call created a new version; its answer waits for the commit.
    pub(in crate::activation::machine) fn changed(
        &mut self,
        running: RunningCall<T>,
        state: Option<State>,
        reply: Reply,
        events: Option<Vec<Event>>,
        step: &mut Step<'_, T>,
    ) {
        let RunningCall { reply_to, key, meta, .. } = running;
        self.current.change(state, events.unwrap_or_default(), step.now());
        let time_ms = self.commit.time_ms(step.now());
        self.effects.record_message(&meta, time_ms);
        let reply = match meta.alarm() {
            Some(alarm) => self.effects.wake_reply(Some(alarm), &self.commit),
            None => reply,
        };
        let version = self.current.version();
        let done = self.done(reply, version);
        if let Some(key) = key {
            self.idempotency.remember(key, &done, time_ms);
        }
        self.replies.push(PendingReply::of_change(reply_to, version, done));
    }
}
