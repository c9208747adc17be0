//! Simulated world: nodes, their registry, one store, and the checks on the object's history.
//!
//! All randomness comes from the seed. The machine is the production one; everything around it is a model.

mod disturb;
mod runs;

use std::collections::{BTreeMap, BTreeSet};

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::activation::machine::Machine;
use crate::activation::protocol::{Action, Input, Loaded, Now, ReloadOutcome, Run, Settings};
use crate::activation::{Answer, Call, Consistency, IdempotencyKey, Operation, Precondition};
use crate::call_context::Origin;
use crate::caller::Caller;
use crate::clock::BootTime;
use crate::error::Effect;
use crate::id::{CodeId, Digest, NodeId, ObjectId};
use crate::registry::{self, Claimed};
use crate::store::record::{RecentWrites, Record, State, Version, Write, WriteId};
use crate::store::{Condition, ETag, PutOutcome};

pub(super) const NODES: usize = 3;
pub(super) const CALLS: u32 = 60;

/// Bug planted into the world around the machine, which the checks must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bug {
    None,
    /// The store ignores conditions.
    NoCondition,
    /// A timeout is treated as "not executed".
    TimeoutIsDenial,
    /// Every rejected write is treated as lost: records do not list their writers.
    RefusedIsLost,
    /// Answers leave before the write is sent.
    AnswerBeforeWrite,
    /// The owner believes that the lease never ends.
    NoLease,
    /// As `NoLease`, but every call is strict, so that no violation may occur.
    NoLeaseButStrict,
    /// The loss of a claim goes unnoticed, and the lease continues.
    LossUnnoticed,
    /// Each attempt of a write gets a new id.
    NewMarkPerAttempt,
    /// Each new owner loses the idempotency cache.
    ForgetKeys,
}

/// Call as observed by its caller.
#[derive(Debug)]
struct Asked {
    is_update: bool,
    key: Option<u32>,
    /// Highest version answered to any caller before the call was made.
    seen_before: Version,
    outcome: Option<Result<Version, Effect>>,
}

/// Attempt of a write in flight to the store.
#[derive(Debug)]
pub(super) struct Flight {
    from: usize,
    attempt: u64,
    record: Record,
    condition: Condition,
}

#[derive(Debug)]
struct Node {
    machine: Machine<u32>,
    /// Attempt whose answer the task waits for.
    awaited: Option<u64>,
    lease_ms: u64,
    is_session_over: bool,
    settings: Settings,
    /// Write that may be sent again.
    sent: Option<(Record, Condition)>,
    /// Actions that the task must still perform.
    todo: Vec<Action<u32>>,
    run: Option<Run>,
}

pub(super) struct World {
    pub(super) rng: StdRng,
    bug: Bug,
    pub(super) time_ms: u64,
    nodes: Vec<Node>,
    owner: Option<usize>,
    /// Every record ever stored in the blob; the last is the current one.
    pub(super) chain: Vec<Record>,
    pub(super) flights: Vec<Flight>,
    attempts: u64,
    asked: BTreeMap<u32, Asked>,
    answered_high: Version,
}

fn key(of: u32) -> IdempotencyKey {
    IdempotencyKey { key: of.to_string().into(), fingerprint: [0; 8] }
}

fn etag(version: usize) -> ETag {
    ETag::new(&version.to_string())
}

/// Returns one of several revisions, each with a different component.
pub(super) fn code(revision: u32) -> CodeId {
    CodeId { revision, component: Digest::of(&revision.to_be_bytes()) }
}

/// Decodes the state, which is the list of calls that changed it.
fn applied(state: Option<&State>) -> Vec<u32> {
    state.map(|state| serde_json::from_slice(&state.bytes).unwrap()).unwrap_or_default()
}

impl World {
    pub(super) fn new(seed: u64, bug: Bug) -> Self {
        let id = ObjectId::new("log", "a").unwrap();
        let node = |n: usize| Node {
            machine: Machine::new(id.clone()),
            awaited: None,
            lease_ms: 50,
            is_session_over: false,
            settings: Settings {
                node: NodeId::new(&format!("n{n}")),
                mailbox_len: 4,
                fault_max: u32::MAX,
                shows_traps: false,
            },
            sent: None,
            todo: Vec::new(),
            run: None,
        };
        Self {
            rng: StdRng::seed_from_u64(seed),
            bug,
            time_ms: 0,
            nodes: (0..NODES).map(node).collect(),
            owner: None,
            chain: Vec::new(),
            flights: Vec::new(),
            attempts: 0,
            asked: BTreeMap::new(),
            answered_high: 0,
        }
    }

    pub(super) fn step(&mut self, node: usize, event: Input<u32>) {
        let write_id = WriteId(self.rng.random());
        let is_endless = matches!(self.bug, Bug::NoLease | Bug::NoLeaseButStrict);
        let lease_ms = if is_endless { u64::MAX } else { self.nodes[node].lease_ms };
        let Node { machine, settings, todo, .. } = &mut self.nodes[node];
        let at = |ms| BootTime::from_boot(Duration::from_millis(ms));
        let now = Now {
            time: at(self.time_ms),
            lease_until: at(lease_ms),
            write_id,
            wall_ms: self.time_ms,
            is_watched: false,
            settings,
        };
        let mut actions = Vec::new();
        machine.step(event, now, &mut actions);
        for action in actions {
            match action {
                Action::Answer(caller, answer) => {
                    Self::answer(&mut self.asked, &mut self.answered_high, caller, &answer);
                }
                action => todo.push(action),
            }
        }
    }

    fn answer(asked: &mut BTreeMap<u32, Asked>, high: &mut Version, caller: u32, answer: &Answer) {
        let asked = asked.get_mut(&caller).unwrap();
        assert!(asked.outcome.is_none(), "call {caller} was answered twice");
        asked.outcome = Some(match answer {
            Ok(done) => {
                *high = (*high).max(done.version);
                if !asked.is_update {
                    assert!(done.version >= asked.seen_before, "query {caller} went back in time");
                }
                Ok(done.version)
            }
            Err(error) => Err(error.code.effect()),
        });
    }

    pub(super) fn call(&mut self, caller: u32) {
        let node = self.rng.random_range(0..NODES);
        let is_update = self.rng.random_bool(0.7);
        let is_strict = self.bug == Bug::NoLeaseButStrict || self.rng.random_range(0..4) == 0;
        let key_of = is_update
            .then(|| self.rng.random_range(0..CALLS / 3))
            .filter(|_| self.rng.random_bool(0.4));
        let call = Call {
            operation: Operation::Handle {
                handler: if is_update { "add".into() } else { "value".into() },
                argument: caller.to_string().into(),
            },
            caller: Caller::Anonymous,
            origin: Origin::default(),
            precondition: Precondition::None,
            key: key_of.map(key),
            consistency: if is_strict { Consistency::Strict } else { Consistency::Lease },
            deadline: BootTime::from_boot(Duration::from_millis(
                self.time_ms + self.rng.random_range(5..200),
            )),
        };
        let seen_before = self.answered_high;
        self.asked.insert(caller, Asked { is_update, key: key_of, seen_before, outcome: None });
        self.step(node, Input::Call(call, caller));
    }

    /// Performs the next pending action of one node's task.
    pub(super) fn act(&mut self, node: usize) {
        if self.nodes[node].todo.is_empty() {
            return self.finish_run(node);
        }
        match self.nodes[node].todo.remove(0) {
            Action::Claim if self.nodes[node].is_session_over => {
                self.step(node, Input::Claimed(Err(registry::Error::SessionOver)));
            }
            Action::Claim => {
                let holder = *self.owner.get_or_insert(node);
                let held = Claimed::Held(self.nodes[holder].settings.node.clone());
                let outcome = if holder == node { Claimed::Granted } else { held };
                self.step(node, Input::Claimed(Ok(outcome)));
            }
            Action::Load => self.load(node),
            Action::Run(run) => self.nodes[node].run = Some(run),
            Action::Write(record, condition, _) => {
                if self.bug == Bug::AnswerBeforeWrite {
                    self.step(
                        node,
                        Input::WriteFinished(PutOutcome::Applied(etag(self.chain.len() + 1))),
                    );
                }
                self.nodes[node].sent = Some((*record, condition));
                self.send(node);
            }
            Action::Resend(_) => self.send(node),
            Action::VerifyRecord(_) => {
                let found = self.chain.last().cloned();
                let found = found.map(|record| (record, etag(self.chain.len())));
                let unanswered = crate::store::Error::Unavailable("timeout".into());
                let is_lost = self.rng.random_range(0..5) == 0;
                let read = if is_lost {
                    ReloadOutcome::Failed(unanswered)
                } else {
                    ReloadOutcome::Found(found)
                };
                self.step(node, Input::RecordVerified(read));
            }
            Action::Reread(_) => {
                let mut found = self.chain.last().cloned();
                if self.bug == Bug::RefusedIsLost
                    && let Some(record) = &mut found
                {
                    let stranger =
                        Write { version: record.version, id: WriteId(self.rng.random()) };
                    record.recent = RecentWrites::new(vec![stranger]);
                }
                let found = found.map(|record| (record, etag(self.chain.len())));
                self.step(node, Input::Reread(ReloadOutcome::Found(found)));
            }
            Action::Release => {
                // The answer to a write that was given up is ignored, and so is the result of a call.
                (self.nodes[node].awaited, self.nodes[node].run) = (None, None);
                if self.owner == Some(node) {
                    self.owner = None;
                }
                self.step(node, Input::Released);
            }
            Action::Probe(probe) => {
                let probed = self.probed();
                self.step(node, Input::Probed(probe.code, probed));
            }
            _ => {}
        }
    }

    fn load(&mut self, node: usize) {
        let mut record = self.chain.last().cloned();
        if self.bug == Bug::ForgetKeys
            && let Some(record) = &mut record
        {
            record.answered = Arc::from([]);
        }
        let record = record.map(|record| (record, etag(self.chain.len())));
        // The code that wrote the record, or else the first revision, is the fallback if the wanted code fails.
        let code = code(record.as_ref().map_or(1, |(record, _)| record.revision));
        self.step(node, Input::Loaded(Ok(Loaded { record, wanted: code.clone(), code })));
    }

    fn send(&mut self, node: usize) {
        let Some((mut record, condition)) = self.nodes[node].sent.clone() else { return };
        if self.bug == Bug::NewMarkPerAttempt {
            let mut writes = record.recent.as_slice().to_vec();
            writes.last_mut().unwrap().id = WriteId(self.rng.random());
            record.recent = RecentWrites::new(writes);
        }
        self.attempts += 1;
        let attempt = self.attempts;
        self.nodes[node].awaited = Some(attempt);
        self.flights.push(Flight { from: node, attempt, record, condition });
    }

    /// Delivers one write in flight, loses its answer, or times out its sender.
    pub(super) fn deliver(&mut self) {
        if self.flights.is_empty() {
            return;
        }
        let index = self.rng.random_range(0..self.flights.len());
        let luck = self.rng.random_range(0..10);
        if luck == 0 && self.bug != Bug::TimeoutIsDenial
            || luck < 3 && self.bug == Bug::TimeoutIsDenial
        {
            // The sender times out; the write stays in flight.
            let Flight { from, attempt, .. } = self.flights[index];
            let put = if self.bug == Bug::TimeoutIsDenial {
                PutOutcome::Rejected("timeout".into())
            } else {
                PutOutcome::Unknown("timeout".into())
            };
            return self.stored(from, attempt, put);
        }
        let Flight { from, attempt, record, condition } = self.flights.remove(index);
        let present = (!self.chain.is_empty()).then(|| etag(self.chain.len()));
        let holds = match &condition {
            Condition::Absent => present.is_none(),
            Condition::Matches(etag) => present.as_ref() == Some(etag),
        };
        let put = if holds || self.bug == Bug::NoCondition {
            self.check_link(&record);
            self.chain.push(record);
            PutOutcome::Applied(etag(self.chain.len()))
        } else {
            PutOutcome::PreconditionFailed
        };
        let is_lost = luck < 3;
        let put = if is_lost { PutOutcome::Unknown("reset".into()) } else { put };
        self.stored(from, attempt, put);
    }

    /// Delivers an answer if the task waits for this attempt. Answers to earlier attempts are lost with their
    /// connections.
    fn stored(&mut self, node: usize, attempt: u64, put: PutOutcome) {
        if self.nodes[node].awaited == Some(attempt) {
            self.nodes[node].awaited = None;
            self.step(node, Input::WriteFinished(put));
        }
    }

    /// Checks S1 and S3: each record follows from the one before it.
    fn check_link(&self, record: &Record) {
        let Some(before) = self.chain.last() else { return };
        assert!(record.version > before.version, "a fork at version {}", record.version);
        assert!(record.epoch >= before.epoch, "epochs fell");
        let (old, new) = (applied(before.state.as_ref()), applied(record.state.as_ref()));
        assert!(new.starts_with(&old), "history was overwritten");
        assert_eq!(new.len() as u64, record.version, "a gap");
    }

    /// Checks S5 to S7 once no work is left.
    pub(super) fn check_end(&self) {
        let calls = applied(self.chain.last().and_then(|record| record.state.as_ref()));
        let distinct: BTreeSet<_> = calls.iter().collect();
        assert_eq!(distinct.len(), calls.len(), "a call took effect twice");
        let mut done_keys = BTreeSet::new();
        for caller in &calls {
            if let Some(key) = self.asked[caller].key {
                assert!(done_keys.insert(key), "key {key} took effect twice");
            }
        }
        for (caller, asked) in self.asked.iter().filter(|(_, asked)| asked.is_update) {
            let position = calls.iter().position(|call| call == caller);
            match asked.outcome {
                Some(Ok(version)) if asked.key.is_none() => {
                    assert_eq!(position.map(|at| at as u64 + 1), Some(version), "call {caller}");
                }
                Some(Ok(version)) => {
                    assert!(version as usize <= calls.len(), "lost: call {caller}");
                }
                Some(Err(Effect::None)) => {
                    assert_eq!(position, None, "call {caller} was called not executed");
                }
                Some(Err(_)) | None => {}
            }
        }
    }
}
