//! Starts work: an activation from claim to live, the next call, the next write.

use std::sync::Arc;

use bytes::Bytes;

use super::fast_path::is_repetition;
use super::outbound::Away;
use super::outbox::{Deliveries, Started};
use super::quarantine::Quarantine;
use super::read_barrier::ReadBarrier;
use super::step::Step;
use super::upgrade::{Attempt, Upgrade};
use super::{
    Activation, BatchWindow, Current, InFlightWrite, LEASE_OVER, Live, PendingReply, Phase,
    RunningCall, committed_state, idempotency_cache, too_late,
};
use crate::activation::mailbox::Queued;
use crate::activation::protocol::{Action, LoadFailure, Loaded, Run};
use crate::activation::resolution::condition;
use crate::activation::{Done, Operation, Reason};
use crate::error::{Error, ErrorCode};
use crate::limits::AWAITING_COMMIT_MAX;
use crate::registry::{self, Claimed};
use crate::store::record::{Record, Version, Write};

impl<T> Activation<T> {
    pub(super) fn claimed(
        &mut self,
        outcome: Result<Claimed, registry::Error>,
        step: &mut Step<'_, T>,
    ) {
        if self.phase != Phase::Claiming {
            return;
        }
        match outcome {
            Ok(Claimed::Granted) => match self.leaving.take() {
                Some(reason) => self.turn_back(reason, step),
                None => {
                    self.phase = Phase::Loading;
                    step.push(Action::Load);
                }
            },
            Ok(Claimed::Held(owner)) => {
                let text = format!("{}: the node {owner} owns it", step.id());
                let error = Error::new(ErrorCode::NotOwner, text).with_owner(owner);
                self.refuse_all_with(&error, step);
                self.end(Reason::NotOwner, step);
            }
            Err(error @ registry::Error::Full(_)) => {
                self.refuse_all(ErrorCode::NodeFull, &error.to_string(), step);
                self.end(Reason::NodeFull, step);
            }
            Err(error) => {
                self.refuse_all(ErrorCode::RegistryUnavailable, &error.to_string(), step);
                // The claim may have been granted anyway.
                self.phase = Phase::Releasing(Reason::RegistryUnavailable);
                step.push(Action::Release);
            }
        }
    }

    /// Ends an activation whose end was requested before it was live.
    pub(super) fn turn_back(&mut self, reason: Reason, step: &mut Step<'_, T>) {
        if reason.is_dispossession() {
            let why = "the claim of this node ended before the object was loaded";
            self.refuse_all(ErrorCode::RegistryUnavailable, why, step);
        }
        self.phase = Phase::Releasing(reason);
        step.push(Action::Release);
    }

    pub(super) fn loaded(&mut self, loaded: Loaded, step: &mut Step<'_, T>) {
        if self.phase != Phase::Loading {
            return;
        }
        let record = loaded.record.as_ref().map(|(record, _)| record);
        let base = committed_state(loaded.record.as_ref(), step.now());
        let mut code = loaded.code;
        let wanted = self.wanted.take().unwrap_or(loaded.wanted);
        self.live = Some(Box::new(Live {
            upgrade: Upgrade::new(&mut code, wanted),
            code,
            quarantine: Quarantine::new(&base),
            current: Current {
                version: base.version,
                state: record.and_then(|r| r.state.clone()),
                effects: base.effects.clone(),
            },
            idempotency: idempotency_cache(record),
            epoch: base.epoch + 1,
            committed: base,
            is_in_sync: false,
            running: None,
            pending_replies: Vec::new(),
            in_flight_write: None,
            batch_window: None,
            read_barrier: ReadBarrier::default(),
            has_held: false,
            unpublished: Vec::new(),
            deliveries: Deliveries::default(),
        }));
        self.phase = Phase::Live;
        if let Some(live) = &mut self.live {
            live.announce_alarm(step);
        }
    }

    pub(super) fn load_failed(&mut self, failure: LoadFailure, step: &mut Step<'_, T>) {
        if self.phase != Phase::Loading {
            return;
        }
        let reason = match failure {
            LoadFailure::Store(error) => {
                self.refuse_all(ErrorCode::StoreUnavailable, &error.to_string(), step);
                Reason::StoreUnavailable
            }
            LoadFailure::Record(why) => {
                let why = format!("its record cannot be used and was left unchanged: {why}");
                self.refuse_all(ErrorCode::RecordDamaged, &why, step);
                Reason::RecordDamaged
            }
            LoadFailure::ErrorCode(error) => {
                self.refuse_all_with(&error, step);
                Reason::CodeUnavailable
            }
        };
        self.phase = Phase::Releasing(reason);
        step.push(Action::Release);
    }

    /// Runs the next call, and answers calls before it that need no run.
    pub(super) fn begin_calls(&mut self, step: &mut Step<'_, T>) {
        // Frozen: this node may still hold its claims, and the next heartbeat will show whether it does.
        if !step.has_lease() {
            return self.refuse_all(ErrorCode::RegistryUnavailable, LEASE_OVER, step);
        }
        let Some(live) = &mut self.live else { return };
        while live.running.is_none()
            && !live.upgrade.is_probing()
            && live.pending_replies.len() < AWAITING_COMMIT_MAX
        {
            let Some(queued) = self.mailbox.take() else { break };
            live.begin_call(queued, step);
        }
    }
}

impl<T> Live<T> {
    fn begin_call(&mut self, queued: Queued<T>, step: &mut Step<'_, T>) {
        let id = step.id();
        let Queued { call, caller, .. } = queued;
        let deadline = call.deadline;
        if deadline <= step.now().time {
            return step.answer(caller, too_late(id));
        }
        let consistency = call.consistency;
        if call.operation == Operation::Wake {
            self.update_wakeup(step);
        }
        if let Some((version, answer)) = self.answer_at_once(id, &call, step.now()) {
            // A repetition has the same outcome as the change that it repeats.
            let is_change = is_repetition(&answer);
            let seen = self.read_reply(caller, version, answer, deadline, consistency);
            return self.queue_reply(PendingReply { is_change, ..seen }, step);
        }
        let started = match call.operation {
            Operation::Wake => self.of_alarm(id, call, step.now()),
            _ => Started::of(call, self.alarms()),
        };
        self.begin_started(started, caller, step);
    }

    /// Starts a handler run, or performs an operation that needs none.
    fn begin_started(&mut self, started: Started, caller: T, step: &mut Step<'_, T>) {
        let Started { call, trigger, alarms, notes } = started;
        let (consistency, deadline) = (call.consistency, call.deadline);
        let key = call.key.as_ref().map(|key| Arc::clone(&key.key));
        let away = Away::of(&call.origin);
        let running = |caller, attempt| {
            let (is_stale, key) = (false, call.key);
            RunningCall {
                caller,
                key,
                consistency,
                deadline,
                is_stale,
                attempt,
                meta: notes,
                outbound: away,
            }
        };
        let must_be_query = matches!(call.operation, Operation::Query { .. });
        match call.operation {
            Operation::Handle { handler, argument } | Operation::Query { handler, argument } => {
                let mut run = Run {
                    code: self.code.clone(),
                    handler,
                    argument,
                    must_be_query,
                    caller: call.caller,
                    trigger,
                    origin: call.origin,
                    key,
                    alarms,
                    version: self.current.version,
                    state: self.current.state.clone(),
                    is_in_sync: self.is_in_sync,
                    deadline,
                };
                let attempt = self.attempt(&mut run);
                self.running = Some(running(caller, attempt));
                step.push(Action::Run(run));
            }
            operation @ (Operation::DeadLetters { .. } | Operation::FailedAlarms { .. }) => {
                let running = running(caller, Attempt::Settled);
                self.change_given_up(&operation, running, step);
            }
            Operation::Resume => {
                self.recovered();
                let (state, reply) = (self.current.state.clone(), Bytes::from_static(b"true"));
                self.changed(running(caller, Attempt::Settled), state, reply, None, step.now());
            }
            Operation::Delete => {
                self.is_in_sync = false;
                step.push(Action::DropInstance);
                let reply = Bytes::from_static(b"null");
                self.cancel_alarms();
                self.changed(running(caller, Attempt::Settled), None, reply, None, step.now());
            }
            // Answered by the fast path.
            Operation::Wake | Operation::ShowEffects | Operation::Watch { .. } => {}
        }
    }

    /// Writes the newest state, unless a write is in progress or nothing has changed.
    pub(super) fn begin_write(&mut self, step: &mut Step<'_, T>) {
        let id = step.id();
        if self.in_flight_write.is_some()
            || self.read_barrier.is_under_way()
            || self.current.version == self.committed.version
        {
            return;
        }
        let is_early = |gather: BatchWindow| {
            step.now().time < gather.until && self.pending_replies.len() < gather.expected
        };
        if self.batch_window.is_some_and(is_early) {
            return;
        }
        self.batch_window = None;
        let write = Write { version: self.current.version, id: step.now().write_id };
        let recent = self.committed.recent.with(write);
        let time_ms = self.time_ms(step.now());
        let entry = self.enter_wake(step.now());
        let record = Record {
            id: id.clone(),
            version: write.version,
            epoch: self.epoch,
            owner: step.now().settings.node.clone(),
            recent: recent.clone(),
            revision: self.code.revision,
            component: self.code.component,
            time_ms,
            answered: self.idempotency.to_record(time_ms),
            faults: self.quarantine.faults(),
            effects: self.current.effects.clone(),
            state: self.current.state.clone(),
        };
        let condition = condition(self.committed.etag.as_ref());
        self.in_flight_write = Some(InFlightWrite {
            began: step.now().time,
            write,
            epoch: self.epoch,
            condition: condition.clone(),
            recent,
            faults: record.faults,
            effects: record.effects.clone(),
            attempts: 1,
            proves: self.read_barrier.newest(),
        });
        step.push(Action::Write(Box::new(record), condition, entry));
    }

    pub(super) fn done(&self, reply: Bytes, version: Version) -> Done {
        Done {
            reply,
            version,
            // A version that is not committed yet will be committed by this owner.
            epoch: if version > self.committed.version { self.epoch } else { self.committed.epoch },
            revision: self.code.revision,
            replayed: false,
        }
    }

    /// Queues an answer until its commit and proof, or sends it immediately if it needs neither.
    pub(super) fn queue_reply(&mut self, waiting: PendingReply<T>, step: &mut Step<'_, T>) {
        if self.is_due(&waiting) {
            step.push(waiting.released(step.now()));
        } else {
            self.pending_replies.push(waiting);
        }
    }
}
