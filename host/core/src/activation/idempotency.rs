//! Idempotency cache: the calls with an idempotency key that this object has answered (S7).
//!
//! The cache is part of the record and is committed together with the change that it belongs to, so it survives
//! crashes and moves. Age is measured in the object's active time, which advances only while the object is active: no
//! wall clock can expire an entry too early.

use std::sync::Arc;

use sha2::Digest as _;

use super::{Done, GivenUpAction, IdempotencyKey, Operation};
use crate::caller::Caller;
use crate::json::canonical::canonical;
use crate::limits::{
    ANSWERED_COUNT_MAX, ANSWERED_REPLY_BYTES_MAX, ANSWERED_REPLY_COUNT_MAX, ANSWERED_RETENTION,
};
use crate::store::record::AnsweredCall;

/// Result of looking up an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The key is new: the call may run.
    New,
    /// The key was used for this very call, and this is its answer.
    Answered(AnsweredCall),
    /// The key was used for a different call.
    Reused,
}

/// Returns the first 8 bytes of the SHA-256 of caller, operation and argument, which distinguish two calls.
///
/// The caller is included so that no caller receives another caller's answer. Arguments are compared by JSON value.
#[must_use]
pub fn fingerprint(operation: &Operation, caller: &Caller) -> [u8; 8] {
    let mut hash = sha2::Sha256::new();
    if *caller != Caller::Anonymous {
        hash.update(caller.to_string());
        // A byte that UTF-8 text cannot contain separates the caller from the rest.
        hash.update([0xff]);
    }
    match operation {
        Operation::Handle { handler, argument } | Operation::Query { handler, argument } => {
            hash.update(handler.as_bytes());
            hash.update([0]);
            hash.update(canonical(argument));
        }
        Operation::Delete => hash.update([1]),
        Operation::Resume => hash.update([2]),
        Operation::Wake => hash.update([3]),
        Operation::ShowEffects => hash.update([4]),
        Operation::DeadLetters { action, number } => {
            hash.update([5, u8::from(*action == GivenUpAction::Retry)]);
            hash.update(number.unwrap_or_default().to_be_bytes());
        }
        Operation::Watch { .. } => hash.update([6]),
        Operation::FailedAlarms { action, number } => {
            hash.update([7, u8::from(*action == GivenUpAction::Retry)]);
            hash.update(number.unwrap_or_default().to_be_bytes());
        }
    }
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash.finalize());
    [a, b, c, d, e, f, g, h]
}

/// Idempotency cache of one object.
#[derive(Debug, Clone)]
pub struct IdempotencyCache {
    /// Entries in the newest record built.
    recorded: Arc<[AnsweredCall]>,
    /// Entries that no record contains yet.
    fresh: Vec<AnsweredCall>,
}

impl IdempotencyCache {
    /// Returns the cache stored in a record.
    #[must_use]
    pub fn from_record(recorded: Arc<[AnsweredCall]>) -> Self {
        Self { recorded, fresh: Vec::new() }
    }

    /// Looks up `key`.
    #[must_use]
    pub fn lookup(&self, key: &IdempotencyKey) -> Lookup {
        let newest_first = self.fresh.iter().rev().chain(self.recorded.iter().rev());
        match newest_first.into_iter().find(|call| call.key == key.key) {
            None => Lookup::New,
            Some(call) if call.fingerprint == key.fingerprint => Lookup::Answered(call.clone()),
            Some(_) => Lookup::Reused,
        }
    }

    /// Stores the result of the call with `key`, at the object's active time `time_ms`.
    pub fn remember(&mut self, key: IdempotencyKey, done: &Done, time_ms: u64) {
        self.fresh.push(AnsweredCall {
            key: key.key,
            fingerprint: key.fingerprint,
            version: done.version,
            epoch: done.epoch,
            revision: done.revision,
            time_ms,
            reply: Some(done.reply.to_json()),
        });
    }

    /// Returns the entries for the next record, bounded in age, count and bytes. The oldest are evicted first.
    pub fn to_record(&mut self, time_ms: u64) -> Arc<[AnsweredCall]> {
        let oldest_ms = time_ms.saturating_sub(ANSWERED_RETENTION.as_millis() as u64);
        let is_stale = self.recorded.first().is_some_and(|call| call.time_ms < oldest_ms);
        if self.fresh.is_empty() && !is_stale {
            return Arc::clone(&self.recorded);
        }
        let mut calls: Vec<_> = self.recorded.iter().cloned().chain(self.fresh.drain(..)).collect();
        let surplus = calls.len().saturating_sub(ANSWERED_COUNT_MAX);
        let expired = calls.partition_point(|call| call.time_ms < oldest_ms);
        calls.drain(..surplus.max(expired));
        drop_old_replies(&mut calls);
        self.recorded = calls.into();
        Arc::clone(&self.recorded)
    }
}

/// Keeps the newest replies within their limits; for older calls, keeps only the fact that they were done.
fn drop_old_replies(calls: &mut [AnsweredCall]) {
    let mut bytes_left = ANSWERED_REPLY_BYTES_MAX;
    let mut count_left = ANSWERED_REPLY_COUNT_MAX;
    for call in calls.iter_mut().rev() {
        let Some(reply) = &call.reply else { break };
        match bytes_left.checked_sub(reply.len()) {
            Some(left) if count_left > 0 => (bytes_left, count_left) = (left, count_left - 1),
            _ => {
                call.reply = None;
                (bytes_left, count_left) = (0, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::activation::reply::Reply;
    use crate::store::record::Version;

    fn key(text: &str, fingerprint: u8) -> IdempotencyKey {
        IdempotencyKey { key: text.into(), fingerprint: [fingerprint; 8] }
    }

    fn done(version: Version, reply: impl Into<Bytes>) -> Done {
        Done { reply: Reply::Json(reply.into()), version, epoch: 1, revision: 1, replayed: false }
    }

    /// Returns the cached version and reply of a key.
    fn known(answered: &IdempotencyCache, text: &str) -> Option<(Version, Option<Bytes>)> {
        match answered.lookup(&key(text, 1)) {
            Lookup::Answered(call) => Some((call.version, call.reply)),
            _ => None,
        }
    }

    fn answered() -> IdempotencyCache {
        IdempotencyCache::from_record(Arc::from([]))
    }

    #[test]
    fn a_repetition_gets_the_first_answer_and_another_call_is_refused() {
        let mut answered = answered();
        assert_eq!(answered.lookup(&key("k", 1)), Lookup::New);
        answered.remember(key("k", 1), &done(7, "41"), 0);
        for _ in 0..2 {
            assert_eq!(known(&answered, "k"), Some((7, Some(Bytes::from_static(b"41")))));
            assert_eq!(answered.lookup(&key("k", 2)), Lookup::Reused);
            answered.to_record(0);
        }
    }

    #[test]
    fn of_older_calls_only_the_version_is_kept() {
        let mut answered = answered();
        for n in 0..200_u64 {
            answered.remember(key(&n.to_string(), 1), &done(n, "1"), 0);
        }
        let record = answered.to_record(0);
        let with_reply = record.iter().filter(|call| call.reply.is_some()).count();
        assert_eq!((record.len(), with_reply), (200, ANSWERED_REPLY_COUNT_MAX));
        assert_eq!(known(&answered, "0"), Some((0, None)));
    }

    #[test]
    fn kept_replies_are_bounded_in_bytes() {
        let mut answered = answered();
        for n in 0..5_u64 {
            let reply = Bytes::from(vec![b'1'; ANSWERED_REPLY_BYTES_MAX / 2]);
            answered.remember(key(&n.to_string(), 1), &done(n, reply), 0);
        }
        let kept: Vec<_> =
            answered.to_record(0).iter().filter(|c| c.reply.is_some()).map(|c| c.version).collect();
        assert_eq!(kept, [3, 4]);
    }

    #[test]
    fn calls_are_forgotten_by_number_and_by_age() {
        let mut answered = answered();
        for n in 0..ANSWERED_COUNT_MAX as u64 + 10 {
            answered.remember(key(&n.to_string(), 1), &done(n, ""), n);
        }
        assert_eq!(answered.to_record(10_000).len(), ANSWERED_COUNT_MAX);
        assert_eq!(answered.lookup(&key("9", 1)), Lookup::New);
        let retention_ms = ANSWERED_RETENTION.as_millis() as u64;
        assert_eq!(answered.to_record(retention_ms + 12).first().map(|c| c.time_ms), Some(12));
        assert!(answered.to_record(retention_ms * 2).is_empty());
    }

    #[test]
    fn fingerprints_tell_handler_and_argument_apart() {
        let call = |handler: &str, argument: &'static str| {
            let operation =
                Operation::Handle { handler: handler.into(), argument: argument.into() };
            fingerprint(&operation, &Caller::Anonymous)
        };
        assert_eq!(call("add", "1"), call("add", "1"));
        assert_ne!(call("add", "1"), call("add", "2"));
        assert_ne!(call("ad", "d1"), call("add", "1"));
        assert_ne!(call("", ""), fingerprint(&Operation::Delete, &Caller::Anonymous));
        let object = |key| Caller::Object(crate::id::ObjectId::new("list", key).unwrap());
        let by = |caller| fingerprint(&Operation::Delete, &caller);
        assert_ne!(by(object("a")), by(object("b")));
        assert_ne!(by(object("a")), by(Caller::Anonymous));
    }
}
