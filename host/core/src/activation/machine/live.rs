//! A live activation, composed of its concerns. Each keeps its fields to its own module; this module holds what needs
//! several of them.

use std::sync::Arc;

use super::calls::Execution;
use super::commit::Commit;
use super::current::Current;
use super::effects::EffectsState;
use super::quarantine::Quarantine;
use super::read_barrier::ReadBarrier;
use super::replies::{PendingReplies, PendingReply, ReplyTo};
use super::step::Step;
use super::upgrade::Upgrade;
use crate::activation::idempotency::IdempotencyCache;
use crate::activation::protocol::Loaded;
use crate::activation::reply::Reply;
use crate::activation::{Answer, Done};
use crate::id::CodeId;
use crate::store::record::{Record, Version};

/// State of a live activation.
#[derive(Debug)]
pub(super) struct Live<T> {
    pub(super) current: Current,
    pub(super) commit: Commit,
    pub(super) idempotency: IdempotencyCache,
    pub(super) effects: EffectsState,
    pub(super) quarantine: Quarantine,
    pub(super) upgrade: Upgrade,
    pub(super) execution: Execution<T>,
    pub(super) replies: PendingReplies<T>,
    pub(super) read_barrier: ReadBarrier,
}

impl<T> Live<T> {
    /// Returns the activation of an object that was just loaded. Code announced during the load replaces the code
    /// that was wanted before it.
    pub(super) fn loaded(loaded: Loaded, announced: Option<CodeId>, step: &Step<'_, T>) -> Self {
        let record = loaded.record.as_ref().map(|(record, _)| record);
        Self {
            current: Current::loaded(record),
            commit: Commit::loaded(loaded.record.as_ref(), step.now()),
            idempotency: idempotency_cache(record),
            effects: EffectsState::loaded(record),
            quarantine: Quarantine::loaded(record),
            upgrade: Upgrade::loaded(loaded.code, announced.unwrap_or(loaded.wanted)),
            execution: Execution::new(),
            replies: PendingReplies::new(),
            read_barrier: ReadBarrier::default(),
        }
    }

    /// Takes over what the record contains that another owner wrote. The commits take it over themselves.
    pub(super) fn reload_parts(&mut self, record: Option<&Record>) {
        self.idempotency = idempotency_cache(record);
        self.quarantine = Quarantine::loaded(record);
        self.current.reload(record);
        self.effects = EffectsState::loaded(record);
    }

    /// Whether no write is undecided and no answer is owed.
    pub(super) fn is_settled(&self) -> bool {
        !self.execution.is_running()
            && !self.upgrade.is_probing()
            && self.replies.is_empty()
            && !self.commit.is_writing()
            && !self.read_barrier.is_under_way()
            && !self.has_uncommitted()
    }

    /// Whether the newest version is not committed yet.
    pub(super) fn has_uncommitted(&self) -> bool {
        self.current.version() != self.commit.version()
    }

    /// Whether a write is delayed to gather more calls.
    pub(super) fn is_batching(&self) -> bool {
        !self.commit.is_writing() && self.has_uncommitted()
    }

    /// Returns the result of a call that created or read `version`.
    pub(super) fn done(&self, reply: Reply, version: Version) -> Done {
        Done {
            reply,
            version,
            epoch: self.commit.epoch_of(version),
            revision: self.upgrade.code().revision,
            replayed: false,
        }
    }

    /// Answers a call that read `version` and changed nothing, once its commit and proof are complete.
    pub(super) fn reply_read(
        &mut self,
        to: ReplyTo<T>,
        version: Version,
        answer: Answer,
        step: &mut Step<'_, T>,
    ) {
        let reply = PendingReply::of_read(to, version, answer, &mut self.read_barrier);
        self.queue_reply(reply, step);
    }

    /// Queues an answer until its commit and proof, or sends it immediately if it needs neither.
    pub(super) fn queue_reply(&mut self, reply: PendingReply<T>, step: &mut Step<'_, T>) {
        if reply.is_due(&self.commit, &self.read_barrier) {
            reply.release(step);
        } else {
            self.replies.push(reply);
        }
    }
}

fn idempotency_cache(record: Option<&Record>) -> IdempotencyCache {
    let empty = || Arc::from([]);
    IdempotencyCache::from_record(record.map_or_else(empty, |record| Arc::clone(&record.answered)))
}
