//! Outcome of a call that ran, and the answers that wait for a commit.

use bytes::Bytes;

use super::step::Step;
use super::upgrade::Next;
use super::{Activation, Current, LEASE_OVER, Live, PendingReply, Phase, RunningCall};
use crate::activation::protocol::{Action, Now, RunOutcome};
use crate::activation::{Answer, refuse};
use crate::effects::Event;
use crate::engine::{Fault, HandlerError, RestoreError};
use crate::error::{Error, ErrorCode};
use crate::events::frame::stand;
use crate::id::ObjectId;
use crate::store::record::State;

impl<T> Activation<T> {
    pub(super) fn ran(&mut self, ran: RunOutcome, step: &mut Step<'_, T>) {
        if !matches!(self.phase, Phase::Live | Phase::Closing(_)) {
            return;
        }
        let Some(live) = &mut self.live else { return };
        let Some(mut running) = live.running.take() else { return };
        if running.is_stale {
            let text = "another owner replaced the state that the call ran on";
            let text = format!("the call to {} was not executed: {text}", step.id());
            let answer = live.ended(refuse(ErrorCode::CommitRefused, text), step);
            return step.answer(running.caller, answer);
        }
        let ran = match live.evaluate(&mut running, ran, step) {
            Next::Take(ran) => ran,
            Next::Again(run) => {
                live.running = Some(running);
                step.push(Action::DropInstance);
                return step.push(Action::Run(run));
            }
        };
        live.count(&ran, step);
        let answer = match ran {
            RunOutcome::Updated { reply, state, effects } => {
                match live.apply_effects(effects.as_deref(), &running) {
                    Ok(()) => {
                        live.is_in_sync = true;
                        let events = effects.map(|effects| effects.events);
                        return live.changed(running, Some(state), reply, events, step.now());
                    }
                    Err(full) => {
                        live.is_in_sync = false;
                        refuse(
                            ErrorCode::OutboxFull,
                            format!("{} was not changed: {full}", step.id()),
                        )
                    }
                }
            }
            RunOutcome::Queried { reply } => {
                live.is_in_sync = true;
                Ok(live.done(reply, live.current.version))
            }
            RunOutcome::Rejected { rejection, may_have_changed } => {
                // Any changes by the handler before the rejection are reverted by restoring the host's snapshot.
                live.is_in_sync &= !may_have_changed;
                rejected(step.id(), rejection)
            }
            RunOutcome::Faulted(fault) => live.ended(faulted(step.id(), &fault, step.now()), step),
            RunOutcome::Unreadable(error) => {
                live.ended(unreadable(step.id(), &error, step.now()), step)
            }
            RunOutcome::NoCode(error) => Err(Box::new(error)),
            RunOutcome::TimedOut => {
                let text = format!("the deadline of the call to {} passed while it ran", step.id());
                live.ended(refuse(ErrorCode::DeadlineExceeded, text), step)
            }
        };
        let answer = live.alarm_ended(&running, answer, step);
        let version = live.current.version;
        let RunningCall { caller, deadline, consistency, .. } = running;
        let seen = live.read_reply(caller, version, answer, deadline, consistency);
        live.queue_reply(seen, step);
    }
}

impl<T> Live<T> {
    /// Returns the object's current position for new subscribers.
    pub(super) fn snapshot_event(&self, publish_state: bool) -> Bytes {
        let Current { version, state, .. } = &self.current;
        let shown = state.as_ref().filter(|_| publish_state).and_then(State::as_json);
        stand(*version, shown, *version > 0 && state.is_none())
    }

    /// Drops the instance, and with it the changes of the call.
    fn ended(&mut self, answer: Answer, step: &mut Step<'_, T>) -> Answer {
        self.is_in_sync = false;
        step.push(Action::DropInstance);
        answer
    }

    /// Records that the call created a new version; its answer waits for the commit.
    pub(super) fn changed(
        &mut self,
        running: RunningCall<T>,
        state: Option<State>,
        reply: Bytes,
        events: Option<Vec<Event>>,
        now: Now<'_>,
    ) {
        self.current.state = state;
        self.new_version(events.unwrap_or_default(), now);
        let version = self.current.version;
        let reply = self.note(&running.meta, reply, now);
        let done = self.done(reply, version);
        if let Some(key) = running.key {
            let time_ms = self.time_ms(now);
            self.idempotency.remember(key, &done, time_ms);
        }
        self.pending_replies.push(PendingReply {
            caller: running.caller,
            version,
            is_change: true,
            proof: 0,
            answer: Ok(done),
            deadline: running.deadline,
        });
    }

    /// Answers the callers whose deadline passes while they wait for a commit.
    pub(super) fn expire_waiting(&mut self, step: &mut Step<'_, T>) {
        let id = step.id();
        if self.pending_replies.iter().all(|waiting| waiting.deadline > step.now().time) {
            return;
        }
        let time = step.now().time;
        for waiting in self.pending_replies.extract_if(.., |waiting| waiting.deadline <= time) {
            let answer = if waiting.is_change {
                unknown(id, "the store did not confirm the change in time")
            } else {
                let text =
                    format!("the call to {id} waited for a commit that was not confirmed in time");
                refuse(ErrorCode::DeadlineExceeded, text)
            };
            step.answer(waiting.caller, answer);
        }
    }
}

impl<T> PendingReply<T> {
    /// Returns the action that answers the caller. The lease is the last check before an answer leaves.
    pub(super) fn released(self, now: Now<'_>) -> Action<T> {
        if now.has_lease() { Action::Answer(self.caller, self.answer) } else { self.withheld() }
    }

    /// Returns the action for a caller whose answer this node may no longer send.
    pub(super) fn withheld(self) -> Action<T> {
        let answer = if self.is_change {
            let text = "the change may have taken effect: the lease of this node expired before the reply could be \
                        sent";
            Err(Box::new(Error::new(ErrorCode::OutcomeUnknown, text).with_hint(REPEAT)))
        } else {
            refuse(ErrorCode::RegistryUnavailable, LEASE_OVER)
        };
        Action::Answer(self.caller, answer)
    }
}

const REPEAT: &str = "repeat the call with the same Idempotency-Key to get its result";

pub(super) fn unknown(id: &ObjectId, why: &str) -> Answer {
    let text = format!("the call to {id} may have taken effect: {why}");
    Err(Box::new(Error::new(ErrorCode::OutcomeUnknown, text).with_hint(REPEAT)))
}

fn rejected(id: &ObjectId, rejection: HandlerError) -> Answer {
    match rejection {
        HandlerError::InvalidArgument(why) => {
            let text = format!("the argument for {id} is not valid: {why}");
            let hint = format!(
                "list its handlers with their arguments: highlander types {}",
                id.type_name()
            );
            Err(Box::new(Error::new(ErrorCode::InvalidArgument, text).with_hint(hint)))
        }
        HandlerError::UnknownHandler(why) => {
            let hint = format!("list its handlers: highlander types {}", id.type_name());
            Err(Box::new(Error::new(ErrorCode::UnknownHandler, why).with_hint(hint)))
        }
        HandlerError::NoQuery => {
            let text = format!("the handler of {id} is an update, which cannot be called with GET");
            let error = Error::new(ErrorCode::MethodNotAllowed, text);
            Err(Box::new(error.with_hint("call it with POST and the argument as the body")))
        }
        HandlerError::Rejected(refusal) => {
            let text = format!("{id} rejected the call: {}", refusal.message);
            let error = Error::new(ErrorCode::ObjectRejected, text);
            Err(Box::new(Error { rejection: Some(Box::new(refusal)), ..error }))
        }
    }
}

fn faulted(id: &ObjectId, fault: &Fault, now: Now<'_>) -> Answer {
    let code = match fault {
        Fault::Trapped(_) => ErrorCode::ObjectTrapped,
        Fault::Cpu(_) => ErrorCode::CpuExceeded,
        Fault::Memory(_) => ErrorCode::MemoryExceeded,
        Fault::Stack => ErrorCode::StackExceeded,
        Fault::HostCalls => ErrorCode::HostCallsExceeded,
        Fault::StateTooLarge { .. } => ErrorCode::StateTooLarge,
        Fault::Contract(_) => ErrorCode::ContractBroken,
        Fault::Exhausted(_) => ErrorCode::NodeFull,
    };
    refuse(code, format!("{id} was not changed: {}", told(fault, now)))
}

/// Returns the text of a fault for the caller. The message of a trap goes only to the operator's log, because it may
/// contain paths of the machine that compiled the component. On a developer's node the caller compiled it and
/// receives the message.
fn told(fault: &Fault, now: Now<'_>) -> String {
    match fault {
        Fault::Trapped(_) if !now.settings.shows_traps => {
            "its code trapped; the node's log has the reason".to_owned()
        }
        fault => fault.to_string(),
    }
}

fn unreadable(id: &ObjectId, error: &RestoreError, now: Now<'_>) -> Answer {
    match error {
        RestoreError::Fault(fault @ Fault::Exhausted(_)) => faulted(id, fault, now),
        _ => {
            let why = match error {
                RestoreError::Fault(fault) => told(fault, now),
                error => error.to_string(),
            };
            let text = format!("{id} cannot be used: {why}");
            let hint = "deploy a component that can read this state; the state is intact";
            Err(Box::new(Error::new(ErrorCode::StateUnreadable, text).with_hint(hint)))
        }
    }
}
