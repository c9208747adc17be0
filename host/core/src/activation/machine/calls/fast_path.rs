//! Fast path: replies that need no handler run and change nothing, such as idempotent replays, failed preconditions
//! and metadata queries.

use crate::activation::idempotency::Lookup;
use crate::activation::machine::live::Live;
use crate::activation::protocol::Now;
use crate::activation::reply::Reply;
use crate::activation::{Answer, Call, Done, IdempotencyKey, Operation, Precondition, refuse};
use crate::error::{Error, ErrorCode};
use crate::id::ObjectId;
use crate::store::record::{AnsweredCall, Version};

impl<T> Live<T> {
    /// Returns the answer to a call that needs no run and changes nothing, with the version it depends on.
    pub(super) fn answer_at_once(
        &self,
        id: &ObjectId,
        call: &Call,
        now: Now<'_>,
    ) -> Option<(Version, Answer)> {
        if let Some(known) = self.known_answer(id, call.key.as_ref()) {
            return Some(known);
        }
        let version = self.current.version();
        if let Some(answer) = self.precondition_failure(id, &call.precondition) {
            return Some((version, answer));
        }
        let answer = match &call.operation {
            Operation::Handle { .. } if self.effects.has_received(call) => {
                let done = self.done(Reply::Nothing, version);
                Ok(Done { replayed: true, ..done })
            }
            Operation::Handle { .. } | Operation::Query { .. } => self.quarantined(id, now)?,
            Operation::Wake if self.effects.is_alarm_due(now) => self.quarantined(id, now)?,
            Operation::Wake => Ok(self.done(self.effects.wake_reply(None, &self.commit), version)),
            Operation::ShowEffects => Ok(self.done(self.effects.view(), version)),
            Operation::Watch { publish_state } => {
                let snapshot = self.current.snapshot_event(*publish_state);
                Ok(self.done(Reply::Json(snapshot), version))
            }
            Operation::Resume if self.quarantine.faults() == 0 => {
                Ok(self.done(Reply::Resumed(false), version))
            }
            Operation::Delete if self.current.state().is_none() => {
                let text = format!("{id} does not exist, so there is nothing to delete");
                refuse(ErrorCode::ObjectNotFound, text)
            }
            _ => return None,
        };
        Some((version, answer))
    }

    /// Returns the answer to a call that must not run because of the quarantine. New code always gets a trial.
    fn quarantined(&self, id: &ObjectId, now: Now<'_>) -> Option<Answer> {
        let left =
            self.quarantine.left(&self.commit, now).filter(|_| !self.upgrade.is_pending())?;
        let count = self.quarantine.faults();
        let text = format!("{id} is in quarantine: its code failed {count} times in a row");
        let hint = format!("deploy a revision that works, or try again: highlander resume {id}");
        let error = Error::new(ErrorCode::ObjectQuarantined, text);
        Some(Err(Box::new(error.with_hint(hint).with_retry_after(left))))
    }

    /// Returns the cached answer to the call with this key, with the version it depends on.
    fn known_answer(
        &self,
        id: &ObjectId,
        key: Option<&IdempotencyKey>,
    ) -> Option<(Version, Answer)> {
        let key = key?;
        match self.idempotency.lookup(key) {
            Lookup::New => None,
            Lookup::Answered(AnsweredCall {
                version, epoch, revision, reply: Some(reply), ..
            }) => {
                let reply = Reply::Json(reply);
                Some((version, Ok(Done { reply, version, epoch, revision, replayed: true })))
            }
            Lookup::Answered(AnsweredCall { version, .. }) => {
                let text = format!(
                    "the call to {id} with the idempotency key {} was executed at version {version}, but its reply is \
                     no longer stored",
                    key.key
                );
                Some((version, refuse(ErrorCode::AnswerExpired, text)))
            }
            Lookup::Reused => {
                let text = format!(
                    "the idempotency key {} was used for another call to {id}; use a new one",
                    key.key
                );
                Some((self.current.version(), refuse(ErrorCode::IdempotencyKeyReused, text)))
            }
        }
    }

    fn precondition_failure(&self, id: &ObjectId, precondition: &Precondition) -> Option<Answer> {
        let version = self.current.version();
        let text = match precondition {
            Precondition::Version(expected) if *expected != version => {
                format!("{id} is at version {version}, not at {expected}")
            }
            Precondition::Present if self.current.state().is_none() => {
                format!("{id} does not exist, at version {version}")
            }
            Precondition::Absent | Precondition::AbsentAt(_) if self.current.state().is_some() => {
                format!("{id} already exists, at version {version}")
            }
            Precondition::OneOf(expected) | Precondition::AbsentAt(expected)
                if !expected.contains(&version) =>
            {
                format!(
                    "{id} is at version {version}, which is none of the versions that the call requires"
                )
            }
            _ => return None,
        };
        Some(refuse(ErrorCode::VersionMismatch, text))
    }
}
