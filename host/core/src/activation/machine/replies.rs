//! Answers that this object owes: each waits for the commit of the version that its call has seen, and for the read
//! barrier if it is strict.
//!
//! Invariants: an answer leaves at most once, and only this module sends those that waited. The lease is the last check
//! before an answer is released.

use super::commit::Commit;
use super::read_barrier::{ReadBarrier, Ticket};
use super::step::Step;
use crate::activation::{Answer, Consistency, Done, refuse};
use crate::clock::BootTime;
use crate::error::{Error, ErrorCode};
use crate::id::ObjectId;
use crate::store::record::Version;

/// Error text for calls that meet an expired lease.
pub(super) const LEASE_OVER: &str = "this node cannot reach the registry, and its lease is over";
/// Error text for calls that meet a store that does not respond.
pub(super) const STORE_SILENT: &str = "the store does not respond to this node";
const REPEAT: &str = "repeat the call with the same Idempotency-Key to get its result";

/// Reply channel of a call, with the terms on which it is answered.
#[derive(Debug)]
pub(super) struct ReplyTo<T> {
    pub(super) caller: T,
    pub(super) consistency: Consistency,
    /// Time at which the caller stops waiting.
    pub(super) deadline: BootTime,
}

/// Answer of a call that has run, which waits until `version` is committed.
#[derive(Debug)]
pub(super) struct PendingReply<T> {
    caller: T,
    version: Version,
    /// Whether the answer reports a change: by this call, or by an earlier call with the same key.
    is_change: bool,
    /// Ticket of the read barrier that the answer also needs.
    proof: Ticket,
    answer: Answer,
    deadline: BootTime,
}

impl<T> PendingReply<T> {
    /// Returns the answer of a call that created `version`.
    pub(super) fn of_change(to: ReplyTo<T>, version: Version, done: Done) -> Self {
        let ReplyTo { caller, deadline, .. } = to;
        let (proof, answer) = (Ticket::NONE, Ok(done));
        Self { caller, version, is_change: true, proof, answer, deadline }
    }

    /// Returns the answer of a call that read `version` and changed nothing.
    pub(super) fn of_read(
        to: ReplyTo<T>,
        version: Version,
        answer: Answer,
        barrier: &mut ReadBarrier,
    ) -> Self {
        let ReplyTo { caller, consistency, deadline } = to;
        let proof = barrier.ticket(consistency);
        Self { caller, version, is_change: false, proof, answer, deadline }
    }

    /// Treats the answer like the change that it repeats, if it is a cached one: both have the same outcome.
    pub(super) fn with_outcome_of_change(self) -> Self {
        Self { is_change: is_repetition(&self.answer), ..self }
    }

    /// Whether the answer's commit and proof are complete. The lease is checked separately.
    pub(super) fn is_due(&self, commit: &Commit, barrier: &ReadBarrier) -> bool {
        self.version <= commit.version() && barrier.is_proven(self.proof)
    }

    /// Answers the caller. The lease is the last check before an answer leaves.
    pub(super) fn release(self, step: &mut Step<'_, T>) {
        if step.has_lease() { step.answer(self.caller, self.answer) } else { self.withhold(step) }
    }

    /// Reports to the caller that this node may no longer send the answer.
    fn withhold(self, step: &mut Step<'_, T>) {
        if self.is_change {
            let text = "the change may have taken effect: the lease of this node expired before the reply could be \
                        sent";
            step.answer(self.caller, outcome_unknown(text));
        } else {
            step.refuse(self.caller, ErrorCode::RegistryUnavailable, LEASE_OVER);
        }
    }
}

/// All answers that are owed, in the order of their calls.
#[derive(Debug)]
pub(super) struct PendingReplies<T> {
    waiting: Vec<PendingReply<T>>,
    /// Whether answers to committed changes wait for the lease to be valid again.
    has_held: bool,
}

impl<T> PendingReplies<T> {
    pub(super) fn new() -> Self {
        Self { waiting: Vec::new(), has_held: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn push(&mut self, reply: PendingReply<T>) {
        self.waiting.push(reply);
    }

    /// Returns the memory of a burst once nothing is owed.
    pub(super) fn shrink_if_empty(&mut self) {
        if self.waiting.is_empty() {
            self.waiting.shrink_to_fit();
        }
    }

    pub(super) fn next_deadline(&self) -> Option<BootTime> {
        self.waiting.iter().map(|waiting| waiting.deadline).min()
    }

    /// Whether an answer waits for a proof that is not complete.
    pub(super) fn needs_proof(&self, barrier: &ReadBarrier) -> bool {
        self.waiting.iter().any(|waiting| !barrier.is_proven(waiting.proof))
    }

    /// Whether answers to committed changes wait for the lease to be valid again.
    pub(super) fn has_held(&self) -> bool {
        self.has_held
    }

    /// Sends every answer that is due, but holds those to changes while the lease is over.
    pub(super) fn release_due(
        &mut self,
        commit: &Commit,
        barrier: &ReadBarrier,
        step: &mut Step<'_, T>,
    ) {
        let has_lease = step.has_lease();
        let is_released = |waiting: &mut PendingReply<T>| {
            waiting.is_due(commit, barrier) && (has_lease || !waiting.is_change)
        };
        for waiting in self.waiting.extract_if(.., is_released) {
            waiting.release(step);
        }
        self.has_held =
            !has_lease && self.waiting.iter().any(|waiting| waiting.is_due(commit, barrier));
    }

    /// Withholds the answers to calls that saw only committed versions.
    pub(super) fn withhold_committed(&mut self, commit: &Commit, step: &mut Step<'_, T>) {
        let committed = commit.version();
        for waiting in self.waiting.extract_if(.., |waiting| waiting.version <= committed) {
            waiting.withhold(step);
        }
        self.has_held = false;
    }

    /// Sends the answers to changes up to this version: they are committed, although another owner has followed.
    pub(super) fn confirm_changes(&mut self, up_to: Version, step: &mut Step<'_, T>) {
        for waiting in self.waiting.extract_if(.., |w| w.is_change && w.version <= up_to) {
            step.answer(waiting.caller, waiting.answer);
        }
    }

    /// Answers the changes up to this version as unknown.
    pub(super) fn report_unknown(&mut self, up_to: Version, why: &str, step: &mut Step<'_, T>) {
        for waiting in self.waiting.extract_if(.., |w| w.is_change && w.version <= up_to) {
            step.answer(waiting.caller, unknown(step.id(), why));
        }
    }

    /// Answers every call as not executed, except those whose change was committed earlier.
    pub(super) fn fail_all(
        &mut self,
        commit: &Commit,
        code: ErrorCode,
        why: &str,
        step: &mut Step<'_, T>,
    ) {
        for waiting in self.waiting.drain(..) {
            if waiting.is_change && waiting.version <= commit.version() {
                step.answer(waiting.caller, waiting.answer);
            } else {
                refuse_unexecuted(waiting.caller, code, why, step);
            }
        }
    }

    /// Rejects the calls that only read and wait for nothing but a proof.
    pub(super) fn fail_unproven(
        &mut self,
        commit: &Commit,
        code: ErrorCode,
        why: &str,
        step: &mut Step<'_, T>,
    ) {
        let committed = commit.version();
        for waiting in self.waiting.extract_if(.., |w| !w.is_change && w.version <= committed) {
            refuse_unexecuted(waiting.caller, code, why, step);
        }
    }

    /// Answers the callers whose deadline passes while they wait.
    pub(super) fn expire(&mut self, step: &mut Step<'_, T>) {
        let (id, time) = (step.id(), step.now().time);
        if self.waiting.iter().all(|waiting| waiting.deadline > time) {
            return;
        }
        for waiting in self.waiting.extract_if(.., |waiting| waiting.deadline <= time) {
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

/// Rejects a call as not executed, for this reason.
pub(super) fn refuse_unexecuted<T>(caller: T, code: ErrorCode, why: &str, step: &mut Step<'_, T>) {
    let text = format!("the call to {} was not executed: {why}", step.id());
    step.refuse(caller, code, text);
}

fn unknown(id: &ObjectId, why: &str) -> Answer {
    outcome_unknown(format!("the call to {id} may have taken effect: {why}"))
}

fn outcome_unknown(text: impl Into<String>) -> Answer {
    Err(Box::new(Error::new(ErrorCode::OutcomeUnknown, text).with_hint(REPEAT)))
}

/// Whether an answer reports a change made by an earlier call with the same key.
fn is_repetition(answer: &Answer) -> bool {
    match answer {
        Ok(done) => done.replayed,
        Err(error) => error.code == ErrorCode::AnswerExpired,
    }
}
